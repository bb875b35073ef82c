//! `POST /tasks/{id}/promote` and `PATCH /tasks/{id}`.

use serde_json::{Value, json};

use super::{error, patch, refused, running, send, sent, task};
use crate::harness::{Answer, TestApp, TestWorker, until};

#[tokio::test]
async fn a_promoted_task_runs_at_once() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let id = sent(&app, "hello", &json!({}), &json!({ "options": { "delayMs": 3_600_000 } })).await;
    let answer = send(&app, "POST", &format!("/tasks/{id}/promote")).await;
    assert_eq!((answer.status, answer.task_id()), (200, id.clone()), "{}", answer.text());
    assert_eq!(app.ended(&id).await["state"], "completed");
    let answer = send(&app, "POST", &format!("/tasks/{id}/promote")).await;
    assert_eq!(error(&answer), refused(409, "task_not_delayed"));
}

#[tokio::test]
async fn a_promoted_task_needs_no_backoff() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_BACKOFF", "1h"), ("TASK_BACKOFF_MAX", "1h")]).await;
    let id = sent(&app, "fail", &json!({ "times": 1 }), &json!({})).await;
    until("it has failed once", || async { task(&app, &id).await["state"] == "delayed" }).await;
    assert_eq!(send(&app, "POST", &format!("/tasks/{id}/promote")).await.status, 200);
    assert_eq!(app.ended(&id).await["state"], "completed");
}

#[tokio::test]
async fn a_changed_priority_changes_the_order() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start(&[&worker]).await;
    send(&app, "POST", "/lanes/default/1/pause").await;
    let mut ids = Vec::new();
    for priority in [5, 6, 7] {
        ids.push(sent(&app, "hello", &json!({}), &json!({ "priority": priority })).await);
    }
    let answer = patch(&app, &ids[2], &json!({ "priority": 1 })).await;
    assert_eq!((answer.status, &answer.json()["priority"]), (200, &json!(1)), "{}", answer.text());
    assert_eq!(answer.json()["waiting"]["position"], 0);
    let answer = patch(&app, &ids[1], &json!({ "priority": null })).await;
    assert_eq!((&answer.json()["priority"], &answer.json()["waiting"]["position"]), (&Value::Null, &json!(0)));

    send(&app, "POST", "/lanes/default/1/resume").await;
    for id in &ids {
        assert_eq!(app.ended(id).await["state"], "completed");
    }
    let starts: Vec<Value> = worker.ledger().into_iter().filter(|event| event["event"] == "start").collect();
    let order: Vec<&str> = starts.iter().map(|event| event["taskId"].as_str().unwrap()).collect();
    assert_eq!(order, [&ids[1][..], &ids[2], &ids[0]]);
}

#[tokio::test]
async fn only_a_task_that_waits_has_a_priority_to_change() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let asleep = sent(&app, "sleep", &json!({ "ms": 60_000 }), &json!({})).await;
    running(&app, &asleep).await;
    let ended = sent(&app, "hello", &json!({}), &json!({})).await;
    app.ended(&ended).await;
    for id in [asleep, ended] {
        assert_eq!(error(&patch(&app, &id, &json!({ "priority": 1 })).await), refused(409, "task_not_waiting"));
    }
    let delayed = sent(&app, "hello", &json!({}), &json!({ "options": { "delayMs": 3_600_000 } })).await;
    assert_eq!(patch(&app, &delayed, &json!({ "priority": 2_097_152 })).await.json()["priority"], 2_097_152);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_is_refused() {
    let app = TestApp::start_for(&[], &[]).await;
    let id = sent(&app, "hello", &json!({}), &json!({ "priority": 3 })).await;
    for (body, code) in [
        (json!([]), "invalid_json"),
        (json!({}), "missing_field"),
        (json!({ "priority": 1, "mode": "sync" }), "unknown_field"),
        (json!({ "priority": -1 }), "invalid_priority"),
        (json!({ "priority": "1" }), "invalid_priority"),
        (json!({ "priority": 2_097_153 }), "invalid_priority"),
    ] {
        assert_eq!(error(&patch(&app, &id, &body).await), refused(400, code), "{body}");
    }
    let untyped = app.request("PATCH", &format!("/tasks/{id}")).body("priority=1").send().await.unwrap();
    assert_eq!(error(&Answer::of(untyped).await), refused(415, "unsupported_media_type"));
    assert_eq!(task(&app, &id).await["priority"], 3);
}
