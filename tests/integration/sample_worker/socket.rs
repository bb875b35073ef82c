//! The worker's WebSocket.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{BALANCER_KEY, DEADLINE, Worker, call, start};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(worker: &Worker, key: Option<&str>) -> Socket {
    let mut request = format!("ws://127.0.0.1:{}/", worker.ws_port).into_client_request().unwrap();
    if let Some(key) = key {
        request.headers_mut().insert("sec-websocket-protocol", key.parse().unwrap());
    }
    let (socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    let echoed = response.headers().get("sec-websocket-protocol").map(|echoed| echoed.to_str().unwrap());
    assert_eq!(echoed, key);
    socket
}

/// The next frame that `wanted` takes; the others are passed over.
async fn frame(socket: &mut Socket, wanted: impl Fn(&Value) -> bool) -> Value {
    let receiving = async {
        loop {
            let message = socket.next().await.expect("the worker is still there").unwrap();
            let value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            if wanted(&value) {
                return value;
            }
        }
    };
    tokio::time::timeout(DEADLINE, receiving).await.expect("no such frame")
}

async fn closed(socket: &mut Socket) -> Option<CloseFrame> {
    let receiving = async {
        loop {
            if let Message::Close(frame) = socket.next().await?.ok()? {
                return frame;
            }
        }
    };
    tokio::time::timeout(DEADLINE, receiving).await.expect("the socket stays open")
}

#[tokio::test]
async fn a_wrong_or_missing_key_is_closed_with_4001() {
    let worker = start().await;
    for key in [Some("wrong"), None] {
        let mut socket = connect(&worker, key).await;
        let frame = closed(&mut socket).await.expect("a close frame");
        assert_eq!(u16::from(frame.code), 4001, "{key:?}");
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_status_and_slots_only() {
    let worker = start().await;
    let mut socket = connect(&worker, Some(BALANCER_KEY)).await;
    socket.send(Message::text("ping")).await.unwrap();
    let pong = frame(&mut socket, |frame| frame.get("system").is_none()).await;
    let slots = json!({"used": 0, "available": 10, "limit": 10, "queue": 0});
    assert_eq!(pong, json!({"status": "ready", "slots": slots}));
}

#[tokio::test]
async fn full_reports_come_every_second_to_every_balancer() {
    let worker = start().await;
    let mut sockets = [connect(&worker, Some(BALANCER_KEY)).await, connect(&worker, Some(BALANCER_KEY)).await];
    for socket in &mut sockets {
        let first = frame(socket, |_| true).await;
        let second = frame(socket, |_| true).await;
        for key in ["status", "slots", "system", "services"] {
            assert!(first.get(key).is_some(), "{key}");
        }
        let uptime = |report: &Value| report["system"]["uptime"].as_f64().unwrap();
        let between = uptime(&second) - uptime(&first);
        assert!((0.5..5.0).contains(&between), "{between}");
    }
}

#[tokio::test]
async fn slot_changes_and_maintenance_are_reported_at_once() {
    let worker = start().await;
    let mut socket = connect(&worker, Some(BALANCER_KEY)).await;
    let started = Instant::now();
    for _ in 0..4 {
        let running = worker.spawn("t", call("sleep", json!({"ms": 50})));
        let busy = frame(&mut socket, |frame| frame["slots"]["used"] == 1).await;
        assert_eq!(busy["slots"], json!({"used": 1, "available": 9, "limit": 10, "queue": 0}));
        frame(&mut socket, |frame| frame["slots"]["used"] == 0).await;
        assert_eq!(running.await.unwrap().status(), 200);
        assert_eq!(worker.post("/off").send().await.unwrap().status(), 200);
        frame(&mut socket, |frame| frame["status"] == "maintenance").await;
        assert_eq!(worker.post("/on").send().await.unwrap().status(), 200);
        frame(&mut socket, |frame| frame["status"] == "ready").await;
    }
    // The reports of every second alone would take at least 15 seconds to show all of it.
    assert!(started.elapsed().as_secs() < 8, "{:?}", started.elapsed());
}

#[tokio::test]
async fn many_changes_make_few_reports_and_the_last_one_is_true() {
    let worker = start().await;
    let mut socket = connect(&worker, Some(BALANCER_KEY)).await;
    let started = Instant::now();
    for _ in 0..300 {
        assert_eq!(worker.run(call("hello", json!({}))).await.status(), 200);
    }
    let running = worker.spawn("t", call("sleep", json!({"ms": 100})));
    running.await.unwrap();
    worker.post("/off").send().await.unwrap();
    let mut frames = 0;
    loop {
        frames += 1;
        if frame(&mut socket, |_| true).await["status"] == "maintenance" {
            break;
        }
    }
    let most = started.elapsed().as_millis() / 20 + 2;
    assert!(frames <= most, "{frames} of at most {most}");
    let last = frame(&mut socket, |_| true).await;
    assert_eq!((&last["status"], &last["slots"]["used"]), (&json!("maintenance"), &json!(0)));
}

#[tokio::test]
async fn a_stopping_worker_says_good_bye() {
    let worker = start().await;
    let mut socket = connect(&worker, Some(BALANCER_KEY)).await;
    // The connection is known to the worker once it has answered.
    socket.send(Message::text("ping")).await.unwrap();
    frame(&mut socket, |_| true).await;
    worker.shutdown.cancel();
    assert_eq!(u16::from(closed(&mut socket).await.expect("a close frame").code), 1001);
}
