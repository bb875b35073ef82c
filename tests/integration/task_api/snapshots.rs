//! Each kind of answer, with its status and headers, beside a file that shows it.

use serde_json::json;

use super::{UNKNOWN, act, patch, running, send, sent};
use crate::harness::{Answer, Events, TestApp, TestWorker};
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

#[tokio::test]
async fn actions_on_many_tasks() {
    let app = TestApp::start_for(&[], &[]).await;
    sent(&app, "hello", &json!({}), &json!({})).await;
    let delayed = json!({ "options": { "delayMs": 3_600_000 } });
    sent(&app, "hello", &json!({}), &delayed).await;
    let cancel = |dry_run| json!({ "action": "cancel", "filter": { "state": "queued" }, "dryRun": dry_run });
    check("actions_dry_run", &act(&app, &cancel(true)).await);
    check("actions_done", &act(&app, &cancel(false)).await);
    check("actions_skipped", &act(&app, &json!({ "action": "remove", "filter": {} })).await);
    check("error_missing_filter", &act(&app, &json!({ "action": "cancel" })).await);
    check("error_invalid_action", &act(&app, &json!({ "action": "stop", "filter": {} })).await);
    check("error_invalid_filter", &act(&app, &json!({ "action": "retry", "filter": { "state": "done" } })).await);
    check("error_unknown_filter", &act(&app, &json!({ "action": "retry", "filter": { "stat": "failed" } })).await);
}

/// A stream that has ended, with its events as they were.
async fn heard(events: Events) -> Answer {
    let headers = events.response.headers().clone();
    let events: Vec<_> =
        events.all().await.into_iter().map(|(name, data)| json!({ "event": name, "data": data })).collect();
    Answer { status: 200, headers, body: json!(events).to_string().into_bytes() }
}

#[tokio::test]
async fn events_of_tasks() {
    let worker = TestWorker::start(&[]).await;
    let mut app = TestApp::start_for(&[], &[("TASK_BACKOFF", "1")]).await;
    let all = Events::open(&app, "/events").await;
    let fails = json!({ "message": "no luck", "times": 1 });
    let id = sent(&app, "fail", &fails, &json!({})).await;
    let one = Events::open(&app, &format!("/tasks/{id}/events")).await;
    app.list(&[&worker.url]);
    check("events_of_a_task", &heard(one).await);
    let gone = sent(&app, "hello", &json!({}), &json!({ "group": "nobody" })).await;
    send(&app, "DELETE", &format!("/tasks/{gone}")).await;
    app.terminate();
    check("events", &heard(all).await);
    app.exited().await;
}
