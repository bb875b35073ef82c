//! A worker within the test, for what no real one does at will.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How a stub answers a task.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// With a status and a JSON body.
    Json(u16, Value),
    /// With a success, after that time.
    Later(Duration),
    /// With a success, once it is let go.
    Held,
    /// Not at all: the connection is closed.
    Nothing,
    /// With a stream of large chunks without end.
    Flood,
    /// With a stream of one chunk and then nothing, without end.
    Hush,
}

/// A worker without a WebSocket that answers as it is told to, and never queues. It is gone when dropped.
pub(crate) struct StubWorker {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

struct Shared {
    health: Mutex<Value>,
    /// Whether its `/health` says how many tasks it is busy with, whatever that has as `used`.
    honest: AtomicBool,
    probes: AtomicUsize,
    tasks: Mutex<Vec<String>>,
    let_go: CancellationToken,
    script: Mutex<VecDeque<Say>>,
    requests: AtomicUsize,
    running: AtomicUsize,
    peak: AtomicUsize,
}

/// A request under way.
struct Running(Arc<Shared>);

impl StubWorker {
    /// A worker of group `default` with so many slots. It answers the tasks in turn, and the last answer ever after.
    pub(crate) async fn start(slots: u32, script: &[Say]) -> Self {
        Self::start_on("0", slots, script, json!({})).await
    }

    /// The same, on a given port, with further fields in its `/health`.
    pub(crate) async fn start_on(port: &str, slots: u32, script: &[Say], health: Value) -> Self {
        let functions = ["hello", "sleep", "countdown"].map(|name| json!({ "name": name, "params": {} }));
        let slots = json!({ "used": 0, "available": slots, "limit": slots, "queue": 0 });
        let all =
            json!({ "status": "ready", "group": "default", "contract": 1, "functions": functions, "slots": slots });
        let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            health: Mutex::new(super::with(all, health)),
            honest: AtomicBool::new(false),
            probes: AtomicUsize::new(0),
            tasks: Mutex::default(),
            let_go: CancellationToken::new(),
            script: Mutex::new(script.iter().cloned().collect()),
            requests: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        });
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(listener, Arc::clone(&shared))));
        Self { url, shared, _serving: serving }
    }

    pub(crate) fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap()
    }

    /// From now on it says that so many of its slots are busy.
    pub(crate) fn says_busy(&self, used: u32) {
        self.shared.health.lock()["slots"]["used"] = json!(used);
    }

    /// From now on it says how many of its slots are busy.
    pub(crate) fn says_the_truth(&self) {
        self.shared.honest.store(true, Ordering::SeqCst);
    }

    /// Answers what it holds, and all that comes.
    pub(crate) fn lets_go(&self) {
        self.shared.let_go.cancel();
    }

    /// How often it was asked for its health.
    pub(crate) fn probes(&self) -> usize {
        self.shared.probes.load(Ordering::SeqCst)
    }

    /// The tasks it was sent, in order.
    pub(crate) fn tasks(&self) -> Vec<String> {
        self.shared.tasks.lock().clone()
    }

    /// How many tasks it was sent.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// How many tasks it is busy with.
    pub(crate) fn running(&self) -> usize {
        self.shared.running.load(Ordering::SeqCst)
    }

    /// The most tasks it was busy with at once.
    pub(crate) fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the stub.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(Arc::clone(&shared), request));
        connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    if request.uri().path() == "/health" {
        return Ok(json_of(200, &shared.health()));
    }
    let task = request.headers().get("x-task-id").map(|id| id.to_str().unwrap().to_owned());
    shared.tasks.lock().extend(task);
    request.into_body().collect().await.map_err(io::Error::other)?;
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let running = Running::new(&shared);
    let say = shared.next();
    match say {
        Say::Json(status, body) => Ok(json_of(status, &body)),
        Say::Later(time) => {
            tokio::time::sleep(time).await;
            Ok(json_of(200, &json!({ "success": true, "result": {} })))
        }
        Say::Held => {
            shared.let_go.cancelled().await;
            Ok(json_of(200, &json!({ "success": true, "result": {} })))
        }
        Say::Nothing => Err(io::Error::other("told to say nothing")),
        Say::Flood => Ok(stream(running, usize::MAX)),
        Say::Hush => Ok(stream(running, 1)),
    }
}

impl Shared {
    fn health(&self) -> Value {
        self.probes.fetch_add(1, Ordering::SeqCst);
        let mut health = self.health.lock();
        if self.honest.load(Ordering::SeqCst) {
            let limit = health["slots"]["limit"].as_u64().unwrap();
            let running = self.running.load(Ordering::SeqCst) as u64;
            health["slots"]["used"] = json!(running.min(limit));
            health["slots"]["available"] = json!(limit.saturating_sub(running));
            health["slots"]["queue"] = json!(running.saturating_sub(limit));
        }
        health.clone()
    }

    fn next(&self) -> Say {
        let mut script = self.script.lock();
        if script.len() > 1 { script.pop_front().unwrap() } else { script.front().cloned().unwrap() }
    }
}

impl Running {
    fn new(shared: &Arc<Shared>) -> Self {
        let running = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak.fetch_max(running, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn stream(running: Running, chunks: usize) -> Response<Body> {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let chunks = futures_util::stream::repeat(chunk).take(chunks).chain(futures_util::stream::pending());
    let frames = chunks.map(move |chunk| {
        let _busy = &running;
        Ok::<_, Infallible>(Frame::data(chunk))
    });
    Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
}

fn json_of(status: u16, body: &Value) -> Response<Body> {
    let body = BodyExt::boxed_unsync(Full::new(Bytes::from(body.to_string())));
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}
