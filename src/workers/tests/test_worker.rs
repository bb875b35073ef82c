//! A worker that does as it is told, on a runtime of its own so that it can be killed.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response as Handshake};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_util::sync::CancellationToken;

pub(super) const KEY: &str = "lb-secret";

/// What `/health` does.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Http {
    Answer,
    Fail(u16),
    /// Nothing until it is told otherwise.
    Hang,
    /// More than anybody wants to read.
    Flood,
}

/// What the WebSocket does.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Socket {
    Serve,
    /// Takes connections and says nothing.
    Silent,
    /// Closes with 4001.
    Refuse,
}

pub(super) struct Control {
    pub(super) health: Mutex<Value>,
    pub(super) http: watch::Sender<Http>,
    pub(super) socket: watch::Sender<Socket>,
    /// What is sent over every socket.
    pub(super) frames: broadcast::Sender<String>,
    /// Counts up to close all sockets.
    pub(super) kick: watch::Sender<u32>,
    pub(super) probes: AtomicUsize,
    pub(super) sockets: AtomicUsize,
}

pub(super) struct TestWorker {
    pub(super) url: String,
    pub(super) control: Arc<Control>,
    ports: (u16, u16),
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TestWorker {
    /// A ready worker of lane `g/1` with four slots and the function `hello`.
    pub(super) fn start() -> Self {
        let control = Arc::new(Control {
            health: Mutex::new(json!({
                "status": "ready", "group": "g", "contract": 1,
                "functions": [{"name": "hello", "params": {"name": {"type": "string"}}}],
                "services": [{"name": "db", "status": "connected", "state": "up"}],
                "tags": {"gpu": "A100"},
                "slots": {"used": 0, "available": 4, "limit": 4, "queue": 0},
                "system": {"uptime": 12.5, "usedMemoryPercent": 40.5, "cpuLoad": 0.25},
            })),
            http: watch::Sender::new(Http::Answer),
            socket: watch::Sender::new(Socket::Serve),
            frames: broadcast::Sender::new(16),
            kick: watch::Sender::new(0),
            probes: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
        });
        let mut worker =
            Self { url: String::new(), control, ports: (0, 0), stop: CancellationToken::new(), thread: None };
        worker.revive();
        worker
    }

    /// The same, without a WebSocket.
    pub(super) fn without_socket() -> Self {
        let worker = Self::start();
        worker.set("websocketPort", Value::Null);
        worker
    }

    /// Starts (again) on the same ports.
    pub(super) fn revive(&mut self) {
        let (control, ports) = (Arc::clone(&self.control), self.ports);
        self.stop = CancellationToken::new();
        let stop = self.stop.clone();
        let (told, tell) = std::sync::mpsc::channel();
        self.thread = Some(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let http = TcpListener::bind(("127.0.0.1", ports.0)).await.unwrap();
                let socket = TcpListener::bind(("127.0.0.1", ports.1)).await.unwrap();
                told.send((http.local_addr().unwrap().port(), socket.local_addr().unwrap().port())).unwrap();
                let routes = Router::new().route("/health", get(health)).route("/logs", get(logs));
                let serving = axum::serve(http, routes.with_state(Arc::clone(&control)));
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = serving => {}
                    () = accept(socket, control) => {}
                }
            });
        }));
        let fresh = self.ports == (0, 0);
        self.ports = tell.recv().unwrap();
        self.url = format!("http://127.0.0.1:{}", self.ports.0);
        if fresh {
            self.set("websocketPort", json!(self.ports.1));
        }
    }

    /// Closes everything at once, as a killed process would.
    pub(super) fn kill(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Changes a field of `/health`.
    pub(super) fn set(&self, field: &str, value: Value) {
        self.control.health.lock()[field] = value;
    }

    pub(super) fn socket_port(&self) -> u16 {
        self.ports.1
    }

    pub(super) fn send_frame(&self, frame: &str) {
        self.control.frames.send(frame.to_owned()).unwrap();
    }

    pub(super) fn probes(&self) -> usize {
        self.control.probes.load(Ordering::SeqCst)
    }

    pub(super) fn sockets(&self) -> usize {
        self.control.sockets.load(Ordering::SeqCst)
    }
}

impl Drop for TestWorker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_ours(headers: &HeaderMap) -> bool {
    headers.get("x-lb-auth").is_some_and(|key| key == KEY)
}

async fn health(State(control): State<Arc<Control>>, headers: HeaderMap) -> Response {
    control.probes.fetch_add(1, Ordering::SeqCst);
    let mut http = control.http.subscribe();
    let mode = *http.wait_for(|mode| *mode != Http::Hang).await.unwrap();
    let body = control.health.lock().clone();
    match mode {
        Http::Fail(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Http::Flood => vec![b' '; 2 << 20].into_response(),
        _ if is_ours(&headers) => Json(body).into_response(),
        _ => Json(json!({"status": body["status"]})).into_response(),
    }
}

async fn logs(headers: HeaderMap) -> Response {
    if is_ours(&headers) {
        Json(json!({"logs": ["first", "second"]})).into_response()
    } else {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&control)));
    }
    pending::<()>().await;
}

async fn serve(stream: TcpStream, control: Arc<Control>) {
    let mut authorized = false;
    #[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let echo = |request: &Request, mut response: Handshake| {
        let key = request.headers().get("sec-websocket-protocol").cloned();
        authorized = key.as_ref().is_some_and(|key| key == KEY);
        if let Some(key) = key {
            response.headers_mut().insert("sec-websocket-protocol", key);
        }
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, echo).await else { return };
    let (mut mode, mut frames, mut kick) =
        (control.socket.subscribe(), control.frames.subscribe(), control.kick.subscribe());
    control.sockets.fetch_add(1, Ordering::SeqCst);
    loop {
        let now = *mode.borrow_and_update();
        if now == Socket::Refuse || !authorized {
            let _ = socket.close(Some(CloseFrame { code: 4001.into(), reason: "Unauthorized".into() })).await;
            // Until the other side has closed too.
            while let Some(Ok(_)) = socket.next().await {}
            return;
        }
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) if text.as_str() == "ping" && now == Socket::Serve => {
                    let health = control.health.lock().clone();
                    let answer = json!({"status": health["status"], "slots": health["slots"]}).to_string();
                    let _ = socket.send(Message::text(answer)).await;
                }
                Some(Ok(_)) => {}
                _ => return,
            },
            Ok(text) = frames.recv() => {
                let _ = socket.send(Message::text(text)).await;
            }
            _ = kick.changed() => return,
            _ = mode.changed() => {}
        }
    }
}
