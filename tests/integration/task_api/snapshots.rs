//! Each kind of answer, with its status and headers, beside a file that shows it.

use serde_json::json;

use super::{UNKNOWN, patch, running, send, sent};
use crate::harness::{TestApp, TestWorker};
use crate::protocol::check;

#[tokio::test]
async fn tasks_that_were_asked_for_something() {
    let app = TestApp::start_for(&[], &[]).await;
    let delayed = sent(&app, "hello", &json!({}), &json!({ "options": { "delayMs": 3_600_000 } })).await;
    check("task_reprioritized", &patch(&app, &delayed, &json!({ "priority": 4 })).await);
    check("task_promoted", &send(&app, "POST", &format!("/tasks/{delayed}/promote")).await);
    check("error_task_not_delayed", &send(&app, "POST", &format!("/tasks/{delayed}/promote")).await);
    check("error_task_not_ended", &send(&app, "POST", &format!("/tasks/{delayed}/retry")).await);
    check("error_unknown_field", &patch(&app, &delayed, &json!({ "mode": "sync" })).await);
    check("tasks", &app.get("/tasks?limit=1").await);
    check("lane_paused", &send(&app, "POST", "/lanes/default/1/pause").await);
    check("lanes", &app.get("/lanes").await);
    check("task_cancelled", &send(&app, "DELETE", &format!("/tasks/{delayed}")).await);
    check("error_task_ended", &send(&app, "DELETE", &format!("/tasks/{delayed}")).await);
    check("error_task_not_waiting", &patch(&app, &delayed, &json!({ "priority": 4 })).await);
    check("task_retried", &send(&app, "POST", &format!("/tasks/{delayed}/retry")).await);
    check("error_task_not_found_action", &send(&app, "DELETE", &format!("/tasks/{UNKNOWN}")).await);
}

#[tokio::test]
async fn tasks_that_had_a_worker() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let asleep = sent(&app, "sleep", &json!({ "ms": 60_000 }), &json!({})).await;
    running(&app, &asleep).await;
    check("task_cancelled_running", &send(&app, "DELETE", &format!("/tasks/{asleep}")).await);
    let mut stream = TestApp::call("countdown", &json!({ "from": 1, "ms": 1 }));
    stream["mode"] = json!("stream");
    let id = app.submit(&stream).await.task_id();
    app.ended(&id).await;
    check("error_stream_finished_retry", &send(&app, "POST", &format!("/tasks/{id}/retry")).await);
}
