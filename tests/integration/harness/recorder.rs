//! A server that keeps what it is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::until_some;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A server that keeps what it is posted: the receiver of a webhook, or a worker (below any path). It answers 200, or what
/// `input.status` says.
pub(crate) struct Recorder {
    pub(crate) url: String,
    recorded: Arc<Mutex<Vec<Recorded>>>,
    ailing: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Script {
    health: Value,
    ailing: Arc<AtomicBool>,
    recorded: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        Self::worker(&[]).await
    }

    /// One that listens there.
    pub(crate) async fn start_at(address: &str) -> Self {
        Self::listen(address, &[]).await
    }

    /// A ready worker of group `default`, contract 1, with these functions.
    pub(crate) async fn worker(functions: &[&str]) -> Self {
        Self::listen("127.0.0.1:0", functions).await
    }

    async fn listen(address: &str, functions: &[&str]) -> Self {
        let functions: Vec<Value> = functions.iter().map(|name| json!({ "name": name, "params": {} })).collect();
        let health = json!({
            "status": "ready", "group": "default", "contract": 1, "functions": functions,
            "slots": { "used": 0, "available": 4, "limit": 4, "queue": 0 },
        });
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let recorded = Arc::<Mutex<_>>::default();
        let ailing = Arc::<AtomicBool>::default();
        let script = Script { health, ailing: Arc::clone(&ailing), recorded: Arc::clone(&recorded) };
        let router = Router::new().fallback(answer).with_state(script);
        // Ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, recorded, ailing }
    }

    /// Whether it answers 503 from here on, whatever it is sent.
    pub(crate) fn ails(&self, ailing: bool) {
        self.ailing.store(ailing, Ordering::SeqCst);
    }

    /// The first request, once it is there.
    pub(crate) async fn first(&self) -> Recorded {
        until_some("a recorded request", || async { self.recorded.lock().first().cloned() }).await
    }

    /// All that has come so far; the next one is then the first.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.recorded.lock())
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if head.uri.path().ends_with("/health") {
        return Json(script.health).into_response();
    }
    if head.uri.path().ends_with("/logs") {
        return Json(json!({ "logs": ["a line of the worker"] })).into_response();
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let status = serde_json::from_slice::<Value>(&body).ok().and_then(|task| task["input"]["status"].as_u64());
    script.recorded.lock().push(Recorded { headers: head.headers, body });
    if script.ailing.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match status.and_then(|status| StatusCode::from_u16(status.try_into().ok()?).ok()) {
        Some(status) => (status, Json(json!({ "error": "as asked for" }))).into_response(),
        None => Json(json!({ "success": true, "result": "recorded" })).into_response(),
    }
}
