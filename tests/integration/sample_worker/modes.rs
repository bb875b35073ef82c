//! How results come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{call, start, status_and_body, with};

#[tokio::test]
async fn sync_gives_the_result_in_the_answer() {
    let worker = start().await;
    for (function, input, result) in [
        ("hello", json!({}), json!({"message": "Hello World!"})),
        ("hello", json!({"name": "Andera \"é\""}), json!({"message": "Hello Andera \"é\"!"})),
        ("sleep", json!({"ms": 5}), json!({"sleptMs": 5})),
        ("echo", json!({"a": [1, {"b": null}]}), json!({"a": [1, {"b": null}]})),
        ("big", json!({"bytes": 3}), json!({"data": "xxx"})),
        ("countdown", json!({"from": 9}), json!({"counted": 9})),
    ] {
        let answer = status_and_body(worker.run(call(function, input)).await).await;
        assert_eq!(answer, (200, json!({"success": true, "result": result})));
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let worker = start().await;
    let body =
        json!({"_taskId": "x", "options": {"attempts": 2}, "function": "hello", "contract": 1, "group": "other"});
    assert_eq!(worker.run(body).await.status(), 200);
}

#[tokio::test]
async fn fail_fails_in_the_way_it_is_told() {
    let worker = start().await;
    let plain = worker.run(call("fail", json!({"message": "no"}))).await;
    assert_eq!(status_and_body(plain).await, (500, json!({"success": false, "error": "no"})));

    let busy = worker.run(call("fail", json!({"message": "busy", "status": 429, "retryAfter": 7}))).await;
    assert_eq!(busy.headers()["retry-after"], "7");
    assert_eq!(status_and_body(busy).await, (429, json!({"error": "busy"})));

    let input = json!({"times": 1, "status": 503});
    for (id, status) in [("a", 503), ("b", 503), ("a", 200), ("b", 200), ("a", 200)] {
        let answer = worker.spawn(id, call("fail", input.clone())).await.unwrap();
        assert_eq!(answer.status(), status, "{id}");
    }
}

#[tokio::test]
async fn a_stream_comes_line_by_line() {
    let worker = start().await;
    let started = Instant::now();
    let body = with(call("countdown", json!({"from": 2, "ms": 300})), "mode", json!("stream"));
    let mut answer = worker.run(body).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers()["transfer-encoding"], "chunked");
    let mut lines = Vec::new();
    let mut first = None;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        first.get_or_insert_with(|| started.elapsed());
        lines.push(String::from_utf8(chunk.to_vec()).unwrap());
    }
    assert_eq!(lines.concat(), "2\n1\n0\n");
    let (first, last) = (first.unwrap(), started.elapsed());
    assert!(last >= Duration::from_millis(600), "{last:?}");
    assert!(first + Duration::from_millis(150) < last, "all at once: {first:?} {last:?}");
    worker.wait_for(0, 0).await;
}

#[tokio::test]
async fn a_stream_can_be_broken_off() {
    let worker = start().await;
    let input = json!({"from": 3, "ms": 10, "abortAt": 1});
    let mut answer = worker.run(with(call("countdown", input), "mode", json!("stream"))).await;
    let mut text = String::new();
    let broken = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "the body ended as if it were whole");
    assert_eq!(text, "3\n2\n");
    worker.wait_for(0, 0).await;
}

/// What came in, and the statuses to answer with; 200 when they are used up.
#[derive(Default)]
struct Receiver {
    got: Mutex<Vec<(HeaderMap, Value)>>,
    statuses: Mutex<Vec<u16>>,
}

async fn receiver(statuses: &[u16]) -> (Arc<Receiver>, String) {
    async fn receive(State(state): State<Arc<Receiver>>, headers: HeaderMap, body: String) -> StatusCode {
        state.got.lock().push((headers, serde_json::from_str(&body).unwrap()));
        state.statuses.lock().pop().map_or(StatusCode::OK, |status| StatusCode::from_u16(status).unwrap())
    }
    let receiver = Arc::new(Receiver { statuses: Mutex::new(statuses.to_vec()), ..Receiver::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&receiver));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (receiver, url)
}

fn webhook(body: Value, url: &str) -> Value {
    let target = json!({"url": url, "headers": {"x-secret": "s", "x-number": 5, "bad name": "x"}});
    with(with(body, "mode", json!("webhook")), "webhook", target)
}

#[tokio::test]
async fn a_webhook_gets_the_result_with_its_headers_before_the_answer() {
    let worker = start().await;
    let (receiver, url) = receiver(&[]).await;
    let answer = worker.run(webhook(call("hello", json!({"name": "A"})), &url)).await;
    assert_eq!(status_and_body(answer).await, (200, json!({"success": true, "message": "Sent to webhook"})));
    let got = receiver.got.lock();
    let [(headers, body)] = got.as_slice() else { panic!("{} posts", got.len()) };
    assert_eq!(body, &json!({"success": true, "result": {"message": "Hello A!"}}));
    assert_eq!(headers["x-secret"], "s");
    assert_eq!(headers["x-number"], "5");
    assert_eq!(headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_webhook_is_tried_three_times() {
    let worker = start().await;
    let (receiver, url) = receiver(&[500, 404]).await;
    assert_eq!(worker.run(webhook(call("hello", json!({})), &url)).await.status(), 200);
    assert_eq!(receiver.got.lock().len(), 3);
}

#[tokio::test]
async fn a_webhook_that_never_takes_the_result_fails_the_task() {
    let worker = start().await;
    let (receiver, url) = receiver(&[502, 500, 500]).await;
    let answer = worker.run(webhook(call("hello", json!({})), &url)).await;
    let error = "Failed to send webhook: status 502";
    assert_eq!(status_and_body(answer).await, (500, json!({"success": false, "error": error})));
    assert_eq!(receiver.got.lock().len(), 3);

    let nobody = worker.run(webhook(call("hello", json!({})), "http://127.0.0.1:1/secret-path")).await;
    let (status, body) = status_and_body(nobody).await;
    let error = body["error"].as_str().unwrap();
    assert!(status == 500 && error.starts_with("Failed to send webhook: ") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_function_that_fails_sends_nothing_to_the_webhook() {
    let worker = start().await;
    let (receiver, url) = receiver(&[]).await;
    let answer = worker.run(webhook(call("fail", json!({"message": "no"})), &url)).await;
    assert_eq!(status_and_body(answer).await, (500, json!({"success": false, "error": "no"})));
    assert!(receiver.got.lock().is_empty());
}
