//! Streams: their slots, their breaks, their clients.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answer, LB_KEY, Say, StubWorker, TestApp, TestWorker, WORKER_KEY, until, with};

fn countdown(input: &Value) -> Value {
    with(TestApp::call("countdown", input), json!({ "mode": "stream" }))
}

#[tokio::test]
async fn a_stream_holds_its_slot_to_its_end() {
    let worker = TestWorker::start(&["--slots", "2"]).await;
    let app = TestApp::start(&[&worker]).await;
    let [short, long] = [3, 8].map(|from| app.spawn(&countdown(&json!({ "from": from, "ms": 200 }))));
    worker.has_started(2).await;
    let third = app.spawn(&TestApp::call("hello", &json!({})));
    app.waiting("default", 1).await;
    assert_eq!(third.await.unwrap().status, 200);
    assert_eq!(short.await.unwrap().text(), "3\n2\n1\n0\n");
    assert!(long.await.unwrap().text().ends_with("\n1\n0\n"));
    let events: Vec<_> = worker.ledger().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["start", "start", "end", "start", "end", "end"]);
}

#[tokio::test]
async fn a_worker_that_breaks_off_breaks_its_clients_connection() {
    let breaking = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&breaking]).await;
    let mut response = app.task(&countdown(&json!({ "from": 5, "ms": 20, "abortAt": 2 }))).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let id = response.headers()["x-task-id"].to_str().unwrap().to_owned();
    let mut seen = Vec::new();
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => seen.extend_from_slice(&chunk),
            end => break end,
        }
    };
    assert!(end.is_err(), "the client sees an error and no end");
    assert_eq!(String::from_utf8(seen).unwrap(), "5\n4\n3\n");
    let task = app.ended(&id).await;
    assert_eq!((&task["state"], &task["code"]), (&json!("failed"), &json!("worker_unreachable")));
    assert_eq!(breaking.started(), 1, "what the client has begun to read is not run again");
}

#[tokio::test]
async fn a_killed_worker_breaks_its_clients_connections() {
    let mut worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut response = app.task(&countdown(&json!({ "from": 1000, "ms": 20 }))).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    worker.kill().await;
    let end = async {
        loop {
            match response.chunk().await {
                Ok(Some(_)) => {}
                end => return end,
            }
        }
    };
    let end = tokio::time::timeout(Duration::from_secs(10), end).await.expect("the connection does not stay open");
    assert!(end.is_err());
}

#[tokio::test]
async fn a_stream_is_retried_before_its_head_was_sent_on() {
    let heavy = json!({ "tags": { "weight": 1000 } });
    let success = json!({ "success": true });
    for first in [Say::Nothing, Say::Json(500, json!({ "success": false, "error": "no" }))] {
        let failing = StubWorker::start_on("0", 10, &[first], heavy.clone()).await;
        let worker = StubWorker::start(1, &[Say::Json(200, success.clone())]).await;
        let app = TestApp::start_for(&[&failing.url, &worker.url], &[]).await;
        app.ready(2).await;
        let answer = app.submit(&countdown(&json!({}))).await;
        assert_eq!((answer.status, answer.json()), (200, success.clone()));
        assert_eq!(app.ended(&answer.task_id()).await["attempts"].as_array().unwrap().len(), 2);
        assert_eq!((failing.requests(), worker.requests()), (1, 1));
    }
}

#[tokio::test]
async fn a_stream_whose_client_leaves_is_cut_off() {
    let worker = StubWorker::start(2, &[Say::Flood, Say::Hush]).await;
    let app = TestApp::start_for(&[&worker.url], &[]).await;
    app.ready(1).await;
    for _ in [Say::Flood, Say::Hush] {
        let mut response = app.task(&countdown(&json!({}))).send().await.unwrap();
        let id = response.headers()["x-task-id"].to_str().unwrap().to_owned();
        assert!(response.chunk().await.unwrap().is_some());
        assert_eq!(worker.running(), 1);
        drop(response);
        let task = app.ended(&id).await;
        assert_eq!((&task["state"], &task["code"]), (&json!("cancelled"), &json!("client_gone")));
        assert_eq!(task["attempts"][0]["outcome"], "cancelled");
        until("the request is dropped", || async { worker.running() == 0 }).await;
    }
}

#[tokio::test]
async fn a_stream_whose_client_takes_nothing_is_dropped() {
    let worker = StubWorker::start(2, &[Say::Flood]).await;
    let app = TestApp::start_for(&[&worker.url], &[("STREAM_IDLE_TIMEOUT", "300")]).await;
    app.ready(1).await;
    let body = countdown(&json!({})).to_string();
    let mut client = TcpStream::connect(app.url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /task HTTP/1.1\r\nhost: lb\r\nauthorization: {LB_KEY}\r\nx-wr-auth: {WORKER_KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut begin = vec![0; 1024];
    client.read_exact(&mut begin).await.unwrap();
    let begin = String::from_utf8(begin).unwrap();
    let id = begin.split("x-task-id: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let task = app.ended(id).await;
    assert_eq!((&task["state"], &task["code"]), (&json!("cancelled"), &json!("client_gone")));
    until("the request is dropped", || async { worker.running() == 0 }).await;
}

#[tokio::test]
async fn a_refused_stream_gives_the_workers_status_and_body() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_ATTEMPTS", "1")]).await;
    let response = app.task(&with(countdown(&json!({})), json!({ "function": "hello" }))).send().await.unwrap();
    let answer = Answer::of(response).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.json()["error"].is_string());
}
