//! What goes well.

use serde_json::{Value, json};

use super::{call, check};
use crate::harness::app::client;
use crate::harness::{Answer, Recorder, TestApp, TestWorker, until};

#[tokio::test]
async fn the_state_of_the_balancer_and_its_workers() {
    let (worker, odd) = (TestWorker::start(&["--tag", "zone=eu"]).await, Recorder::worker(&["other"]).await);
    let stranger = TestWorker::start(&["--lb-auth-key", "another"]).await;
    let app = TestApp::start_for(&[&worker.url, &odd.url, &stranger.url], &[]).await;
    app.ready(2).await;
    until("the stranger is known", || async { app.workers().await[2]["status"] == "unauthorized" }).await;
    let health = client().get(format!("{}/health", app.url)).send().await.unwrap();
    check("health", &Answer::of(health).await);
    check("health_with_key", &app.get("/health").await);
    check("workers", &app.get("/dashboard/api/workers").await);
}

#[tokio::test]
async fn the_answers_of_each_mode() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    let app = TestApp::start(&[&worker]).await;
    let hello = |fields: Value| call("hello", &json!({ "name": "Andera" }), &fields);
    check("task_sync", &app.submit(&hello(json!({}))).await);
    check("task_async", &app.submit(&hello(json!({ "mode": "async" }))).await);
    let webhook = json!({ "mode": "webhook", "webhook": { "url": receiver.url } });
    check("task_webhook", &app.submit(&hello(webhook)).await);
    let stream = call("countdown", &json!({ "from": 2, "ms": 1 }), &json!({ "mode": "stream" }));
    check("task_stream", &app.submit(&stream).await);
}

#[tokio::test]
async fn the_errors_of_workers_as_they_are() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_ATTEMPTS", "1")]).await;
    let wrong_key = app.request("POST", "/task").header("x-wr-auth", "wrong");
    let wrong_key = wrong_key.json(&TestApp::call("hello", &json!({}))).send().await.unwrap();
    check("worker_401", &Answer::of(wrong_key).await);
    check("worker_400", &app.submit(&TestApp::call("hello", &json!(7))).await);
    check("worker_400_stream", &app.submit(&call("hello", &json!({}), &json!({ "mode": "stream" }))).await);
    check("worker_500", &app.submit(&TestApp::call("fail", &json!({ "message": "no luck" }))).await);
}
