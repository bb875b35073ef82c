//! How results come back: async, stream, webhook.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Recorder, TestApp, TestWorker};

fn call(function: &str, mode: &str, input: &Value) -> Value {
    let mut task = TestApp::call(function, input);
    task["mode"] = json!(mode);
    task
}

#[tokio::test]
async fn an_async_task_is_accepted_and_found_where_location_says() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let answer = app.submit(&call("hello", "async", &json!({ "name": "later" }))).await;
    let id = answer.task_id();
    assert_eq!((answer.status, answer.json()), (202, json!({ "taskId": id, "status": "queued" })));
    assert_eq!(answer.header("location"), Some(format!("/tasks/{id}").as_str()));

    let shown = app.get(&format!("{}?wait=30s", answer.header("location").unwrap())).await;
    assert_eq!((shown.status, shown.task_id()), (200, id.clone()));
    let shown = shown.json();
    assert_eq!((&shown["taskId"], &shown["state"], &shown["mode"]), (&json!(id), &json!("completed"), &json!("async")));
    assert_eq!(shown["result"], json!({ "success": true, "result": { "message": "Hello later!" } }));
    assert_eq!(shown["attempts"][0]["worker"], worker.url);
}

#[tokio::test]
async fn a_stream_is_the_workers_text_and_ends_with_it() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let answer = app.submit(&call("countdown", "stream", &json!({ "from": 3, "ms": 1 }))).await;
    assert_eq!((answer.status, answer.text()), (200, "3\n2\n1\n0\n"));
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert!(answer.header("server-timing").is_some());
    let shown = app.ended(&answer.task_id()).await;
    assert_eq!((&shown["state"], &shown["result"]), (&json!("completed"), &json!("3\n2\n1\n0\n")));
}

#[tokio::test]
async fn a_stream_that_breaks_off_at_the_worker_breaks_off_at_the_client() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let task = call("countdown", "stream", &json!({ "from": 3, "ms": 1, "abortAt": 1 }));
    let response = app.task(&task).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let id = response.headers()["x-task-id"].to_str().unwrap().to_owned();
    let read = tokio::time::timeout(Duration::from_secs(30), response.bytes()).await.expect("not left open");
    assert!(read.is_err(), "{read:?} looks like a whole answer");
    let shown = app.ended(&id).await;
    assert_eq!((&shown["state"], &shown["code"]), (&json!("failed"), &json!("worker_unreachable")));
}

#[tokio::test]
async fn a_webhook_task_is_accepted_and_the_worker_posts_the_result() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    let app = TestApp::start(&[&worker]).await;
    let mut task = call("hello", "webhook", &json!({ "name": "hook" }));
    task["webhook"] =
        json!({ "url": format!("{}/results?id=7", receiver.url), "headers": { "x-mine": "yes", "x-number": 1 } });
    let answer = app.submit(&task).await;
    let body = json!({ "success": true, "message": "Task accepted, result will be sent to webhook" });
    assert_eq!((answer.status, answer.json()), (200, body));
    assert_eq!(answer.header("location"), None);

    let posted = receiver.first().await;
    assert_eq!(posted.json(), json!({ "success": true, "result": { "message": "Hello hook!" } }));
    assert_eq!((posted.header("x-mine"), posted.header("x-number")), ("yes", "1"));
    assert_eq!(posted.header("content-type"), "application/json");
    let shown = app.ended(&answer.task_id()).await;
    assert_eq!((&shown["state"], &shown["result"]["message"]), (&json!("completed"), &json!("Sent to webhook")));
    assert_eq!(receiver.take().len(), 1, "posted once");
}

#[tokio::test]
async fn a_webhook_that_nobody_hears_fails_the_task_without_a_second_run() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut task = call("hello", "webhook", &json!({}));
    task["webhook"] = json!({ "url": "http://127.0.0.1:9/" });
    let shown = app.ended(&app.submit(&task).await.task_id()).await;
    assert_eq!((&shown["state"], &shown["code"]), (&json!("failed"), &json!("webhook_failed")));
    assert!(shown["error"].as_str().unwrap().starts_with("Failed to send webhook"), "{shown}");
    assert_eq!(worker.started(), 1);
}

#[tokio::test]
async fn a_webhook_task_that_finally_fails_is_told_of_by_the_balancer() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    let env = [("WEBHOOK_ALLOW_PRIVATE", "true"), ("QUEUE_TTL", "1s"), ("TASK_BACKOFF", "1")];
    let app = TestApp::start_with(&[&worker], &env).await;
    for (function, group, error, code) in [
        ("nothing", "default", "Unknown function: nothing", "rejected_by_worker"),
        ("fail", "default", "Task failed", "worker_failed"),
        ("hello", "nobody", "The task waited too long", "expired"),
    ] {
        let mut task = call(function, "webhook", &json!({}));
        task["group"] = json!(group);
        task["webhook"] = json!({ "url": receiver.url, "headers": { "x-mine": "yes" } });
        let answer = app.submit(&task).await;
        assert_eq!(answer.status, 200, "accepted all the same");
        let notice = receiver.first().await;
        let expected = json!({ "success": false, "error": error, "code": code, "taskId": answer.task_id() });
        assert_eq!((notice.json(), notice.header("x-mine")), (expected, "yes"));
        assert_eq!(app.ended(&answer.task_id()).await["code"], code);
        assert_eq!(receiver.take().len(), 1, "told once");
    }
}
