//! Clients that close their connection before they have their answer.

use serde_json::json;

use crate::harness::{TestApp, TestWorker, until, with};

const CLIENT_GONE: &str = "andera_lb_tasks_finished_total{state=\"cancelled\",code=\"client_gone\"}";

#[tokio::test]
async fn a_task_that_waits_is_cancelled_when_its_client_leaves() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start(&[&worker]).await;
    let blocker = app.accept(&TestApp::call("sleep", &json!({ "ms": 1000 }))).await;
    worker.has_started(1).await;
    let hello = TestApp::call("hello", &json!({}));
    let sync = app.spawn(&hello);
    let stream = app.spawn(&with(TestApp::call("countdown", &json!({})), json!({ "mode": "stream" })));
    app.waiting("default", 2).await;
    sync.abort();
    stream.abort();
    until("both are cancelled", || async { app.metric(CLIENT_GONE).await == 2 }).await;
    app.waiting("default", 0).await;
    assert_eq!(app.ended(&blocker).await["state"], "completed");
    assert_eq!(app.submit(&hello).await.status, 200);
    assert_eq!(worker.started(), 2, "neither of them ran");
}

#[tokio::test]
async fn a_sync_task_that_runs_runs_on_when_its_client_leaves() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let client = app.spawn(&TestApp::call("sleep", &json!({ "ms": 500 })));
    worker.has_started(1).await;
    client.abort();
    let task = app.ended(&worker.order()[0]).await;
    assert_eq!((&task["state"], &task["result"]["success"]), (&json!("completed"), &json!(true)));
}
