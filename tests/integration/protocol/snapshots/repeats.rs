//! Idempotency keys and batches.

use serde_json::{Value, json};

use super::{call, check};
use crate::harness::{Answer, TestApp, TestWorker, WORKER_KEY, until};

async fn keyed(app: &TestApp, key: &str, task: &Value) -> Answer {
    Answer::of(app.task(task).header("idempotency-key", key).send().await.unwrap()).await
}

#[tokio::test]
async fn a_key_that_is_none_or_another_tasks() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("RESULT_MAX_BYTES", "100b")]).await;
    let hello = call("hello", &json!({}), &json!({}));
    check("error_invalid_idempotency_key", &keyed(&app, "two words", &hello).await);
    keyed(&app, "k", &hello).await;
    check("task_sync_repeated", &keyed(&app, "k", &hello).await);
    let other = call("hello", &json!({ "name": "other" }), &json!({}));
    check("error_idempotency_mismatch", &keyed(&app, "k", &other).await);

    let big = call("big", &json!({ "bytes": 1_000 }), &json!({}));
    let first = keyed(&app, "big", &big).await;
    app.ended(&first.task_id()).await;
    check("error_result_too_large", &keyed(&app, "big", &big).await);
}

#[tokio::test]
async fn a_stream_asked_for_again() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let task = call("countdown", &json!({ "from": 1, "ms": 60_000 }), &json!({ "mode": "stream" }));
    let mut stream = app.task(&task).header("idempotency-key", "s").send().await.unwrap();
    let path = format!("/tasks/{}", stream.headers()["x-task-id"].to_str().unwrap());
    stream.chunk().await.unwrap();
    check("error_stream_in_progress", &keyed(&app, "s", &task).await);
    drop(stream);
    until("it ends", || async { app.get(&path).await.json()["state"] == "cancelled" }).await;
    check("error_stream_finished", &keyed(&app, "s", &task).await);
}

#[tokio::test]
async fn a_batch() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let batch = async |kind: &str, body: String| {
        let request = app.request("POST", "/tasks").header("x-wr-auth", WORKER_KEY).header("content-type", kind);
        Answer::of(request.body(body).send().await.unwrap()).await
    };
    let item = |name: &str| call("hello", &json!({ "name": name }), &json!({ "options": { "idempotencyKey": "k" } }));
    let stream = call("countdown", &json!({}), &json!({ "mode": "stream" }));
    let items = json!([item("one"), 7, item("two"), stream, call("nothing", &json!({}), &json!({}))]);
    check("batch", &batch("application/json", items.to_string()).await);
    check("error_batch_too_large", &batch("application/x-ndjson", "{}\n".repeat(10_001)).await);
}
