//! Connections over real sockets; time passes when the test says so.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};
use tokio_util::sync::CancellationToken;

use super::{HEAD_TIMEOUT, QUIET, converse};
use crate::queue::conformance::still;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

/// A client, and the connection it has.
struct Bench {
    client: TcpStream,
    closing: CancellationToken,
    served: JoinHandle<()>,
}

impl Bench {
    async fn new<F>(answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let closing = CancellationToken::new();
        let answer = move |request, _| answer(request);
        let serve = converse(accepted.unwrap().0, closing.clone(), CancellationToken::new(), answer);
        Self { client: client.unwrap(), closing, served: tokio::spawn(serve) }
    }

    /// One that answers with the body of the request.
    async fn echo() -> Self {
        Self::new(|request| async {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Response::new(Body::from(format!("got {}.", String::from_utf8_lossy(&body))))
        })
        .await
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    /// Reads until the answer ends like that. No time passes by itself meanwhile: the system may take some to bring what was sent.
    async fn receive(&mut self, end: &str) -> String {
        let mut answer = String::new();
        while !answer.ends_with(end) {
            let mut bytes = [0; 1_024];
            let length = still(self.client.read(&mut bytes)).await.unwrap();
            assert!(length > 0, "closed after {answer:?}");
            answer.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
        answer
    }

    /// Whether it is closed from the other end, after whatever was still to come.
    async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        self.client.read_to_end(&mut rest).await.is_ok() && (&mut self.served).await.is_ok()
    }
}

/// Lets time pass in small steps, and what was sent arrive: a runtime that has something to do looks at its sockets every 61st turn.
async fn pass(time: Duration) {
    for _ in 0..time.as_millis() / 100 {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        advance(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_quiet_is_answered_as_before() {
    let mut bench = Bench::echo().await;
    for n in 0..3 {
        bench.send(format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\n{n}").as_bytes()).await;
        bench.receive(&format!("got {n}.")).await;
        pass(QUIET * 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_may_come_in_pieces_with_pauses_between() {
    let mut bench = Bench::echo().await;
    for _ in 0..2 {
        for piece in GET.chunks(10) {
            bench.send(piece).await;
            pass(QUIET * 3).await;
        }
        bench.receive("got .").await;
        pass(QUIET * 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_to_an_end_is_not_waited_for() {
    let mut bench = Bench::echo().await;
    bench.send(GET).await;
    bench.receive("got .").await;
    pass(QUIET * 3).await;
    bench.send(b"G").await;
    pass(HEAD_TIMEOUT + QUIET * 3).await;
    assert!(bench.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_nothing_is_not_waited_for() {
    let mut bench = Bench::echo().await;
    pass(HEAD_TIMEOUT + QUIET * 3).await;
    assert!(bench.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_client_does_not_hold_up_the_end() {
    let mut bench = Bench::echo().await;
    bench.send(GET).await;
    bench.receive("got .").await;
    pass(QUIET * 3).await;
    bench.closing.cancel();
    assert!(bench.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_long_and_come_bit_by_bit() {
    let mut bench = Bench::new(|_| async {
        sleep(QUIET * 5).await;
        let parts = futures_util::stream::unfold(0, |n| async move {
            sleep(QUIET * 5).await;
            (n < 3).then(|| (Ok::<_, std::convert::Infallible>(Bytes::from(format!("part {n}."))), n + 1))
        });
        Response::new(Body::from_stream(parts))
    })
    .await;
    bench.send(GET).await;
    let (answer, ()) = tokio::join!(bench.receive("0\r\n\r\n"), pass(QUIET * 30));
    assert!(answer.contains("part 0.") && answer.contains("part 2."), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_answer_late_gets_all_of_it() {
    const LENGTH: usize = 64 << 20;
    let mut bench = Bench::new(|_| async { Response::new(Body::from(vec![b'x'; LENGTH])) }).await;
    bench.send(GET).await;
    pass(QUIET * 5).await;
    let (mut received, mut bytes) = (0, vec![0; 1 << 20]);
    while received < LENGTH {
        let length = bench.client.read(&mut bytes).await.unwrap();
        assert!(length > 0, "closed after {received} bytes");
        received += length;
    }
}
