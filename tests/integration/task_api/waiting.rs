//! `waiting`: why a task waits, and where it stands.

use serde_json::{Value, json};

use super::{running, send, sent, task};
use crate::harness::{TestApp, TestWorker, until};

async fn waits(app: &TestApp, id: &str, expected: &Value) {
    until(&format!("{id} waits as {expected}"), || async { task(app, id).await["waiting"] == *expected }).await;
}

#[tokio::test]
async fn each_reason_is_told() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_BACKOFF", "1h"), ("TASK_BACKOFF_MAX", "1h")]).await;
    let none = json!({});
    let deserted = sent(&app, "hello", &none, &json!({ "group": "nobody" })).await;
    waits(&app, &deserted, &json!({ "reason": "no_worker", "position": 0 })).await;

    let failing = sent(&app, "fail", &none, &none).await;
    waits(&app, &failing, &json!({ "reason": "backoff", "position": null })).await;
    let late = sent(&app, "hello", &none, &json!({ "options": { "delayMs": 3_600_000 } })).await;
    waits(&app, &late, &json!({ "reason": "delayed", "position": null })).await;

    let asleep = sent(&app, "sleep", &json!({ "ms": 60_000 }), &none).await;
    running(&app, &asleep).await;
    assert_eq!(task(&app, &asleep).await.get("waiting"), None);
    let last = sent(&app, "hello", &none, &json!({ "priority": 2 })).await;
    let first = sent(&app, "hello", &none, &none).await;
    waits(&app, &first, &json!({ "reason": "no_free_slot", "position": 0 })).await;
    waits(&app, &last, &json!({ "reason": "no_free_slot", "position": 1 })).await;

    send(&app, "POST", "/lanes/default/1/pause").await;
    waits(&app, &last, &json!({ "reason": "paused", "position": 1 })).await;
    let page = app.get("/tasks?state=queued&group=default").await.json();
    for listed in page["tasks"].as_array().unwrap() {
        assert_eq!(listed["waiting"], json!({ "reason": "paused", "position": null }), "lists do not count positions");
    }
}

#[tokio::test]
async fn a_task_set_aside_says_policy_wait() {
    let worker = TestWorker::start(&[]).await;
    // No health check passes in the time of this test, so the only worker stays shut out for the retry.
    let env = [("WORKER_DISCOVERY_INTERVAL", "1h"), ("TASK_BACKOFF", "1ms"), ("TASK_BACKOFF_MAX", "1ms")];
    let app = TestApp::start_with(&[&worker], &env).await;
    let id = sent(&app, "fail", &json!({ "status": 500 }), &json!({ "options": { "attempts": 100 } })).await;
    until("it is set aside", || async { task(&app, &id).await["waiting"]["reason"] == "policy_wait" }).await;
}
