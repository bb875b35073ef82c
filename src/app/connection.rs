//! One connection of a client, from its first request to its last.
//!
//! While its client asks for nothing it is taken apart: what is needed to read a request and to write an answer, some 20 KB, is let go
//! of, and only the socket is kept and listened to. With 10,000 clients that keep their connection that is 200 MB.

mod socket;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::socket::Socket;

/// How long a client may take to send the head of a request, from the end of the one before on.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection without a request may still bring one when the server closes: its client has begun before it could know.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// After so long without a request under way a connection is taken apart.
const QUIET: Duration = Duration::from_secs(1);

/// What happens on a connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose answer is not complete.
    requests: AtomicUsize,
    /// Whether there has ever been one, and who waits for it.
    asked: AtomicBool,
    first: Notify,
    /// Something has been read since the last answer was complete: the next request has begun.
    heard: AtomicBool,
    /// The client does not take what is written.
    blocked: AtomicBool,
    /// A request has ended since somebody last looked.
    busy: AtomicBool,
}

/// Why a connection is looked at.
enum Why {
    Closing,
    Quiet,
}

/// A request that is under way until this is dropped: its connection is not taken apart.
pub(super) struct UnderWay(Arc<Activity>);

/// Serves a connection until its client has gone, or until `closing`: a request under way is finished then, unless `cut_off` comes
/// first. Whoever goes on with a request when its `answer` is there, says so to the activity that it is given.
pub(super) async fn converse<F>(
    stream: TcpStream,
    closing: CancellationToken,
    cut_off: CancellationToken,
    answer: impl Fn(Request<Incoming>, Arc<Activity>) -> F,
) where
    F: Future<Output = Response<Body>>,
{
    // Small answers must not wait for an acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let service = service_fn(|request| {
        let under_way = UnderWay::new(&activity);
        let answer = answer(request, Arc::clone(&activity));
        async { Ok::<_, Infallible>(under_way.until_sent(answer.await)) }
    });
    let mut socket = Socket::new(stream, Arc::clone(&activity));
    loop {
        let mut connection = Box::new(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(socket), &service),
        );
        // Looked at only when it has something to say, and not whenever the connection has.
        let mut watch = FuturesUnordered::from_iter([activity.watch(&closing)]);
        let why = tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            why = watch.next() => why,
        };
        if let Some(Why::Closing) | None = why {
            Pin::new(&mut *connection).graceful_shutdown();
            // What is left are requests under way: the drain ends them.
            cut_off.run_until_cancelled(connection.as_mut()).await;
            return;
        }
        drop(watch);
        let parts = connection.into_parts();
        socket = parts.io.into_inner();
        if !socket.give_back(parts.read_buf) && !listen(&socket, &closing, &activity).await {
            return;
        }
    }
}

/// Waits for something to be read. `false` if there will not be.
async fn listen(socket: &Socket, closing: &CancellationToken, activity: &Activity) -> bool {
    let readable = timeout(HEAD_TIMEOUT.saturating_sub(QUIET), socket.readable());
    tokio::select! {
        biased;
        // Whoever has never asked may be about to.
        () = closing.cancelled() => !activity.asked.load(Ordering::Relaxed),
        readable = readable => matches!(readable, Ok(Ok(()))),
    }
}

impl Activity {
    /// Something of a request goes on until that is dropped.
    pub(super) fn goes_on(self: Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    async fn watch(&self, closing: &CancellationToken) -> Why {
        loop {
            let quiet = async {
                sleep(QUIET).await;
                self.is_quiet()
            };
            tokio::select! {
                biased;
                () = closing.cancelled() => break,
                quiet = quiet => if quiet {
                    return Why::Quiet;
                },
            }
        }
        if !self.asked.load(Ordering::Relaxed) {
            // A connection that is shut down before its first request was read is cut, though that may be on its way.
            let _ = timeout(FIRST_REQUEST, self.first.notified()).await;
        }
        Why::Closing
    }

    fn is_quiet(&self) -> bool {
        !self.busy.swap(false, Ordering::Relaxed)
            && self.requests.load(Ordering::Relaxed) == 0
            && !self.heard.load(Ordering::Relaxed)
            && !self.blocked.load(Ordering::Relaxed)
    }
}

impl UnderWay {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        if !activity.asked.swap(true, Ordering::Relaxed) {
            activity.first.notify_one();
        }
        Self(Arc::clone(activity))
    }

    /// The answer to it. One that is complete is taken over by the connection at once.
    fn until_sent(self, response: Response<Body>) -> Response<Body> {
        if http_body::Body::size_hint(response.body()).exact().is_some() {
            return response;
        }
        response.map(|body| Body::new(Sending { body, _under_way: self }))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.busy.store(true, Ordering::Relaxed);
        self.0.heard.store(false, Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that comes bit by bit, of a request that is under way meanwhile.
struct Sending {
    body: Body,
    _under_way: UnderWay,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
