//! `POST /tasks/actions`.

use serde_json::{Value, json};

use super::{act, error, refused, running, send, sent, task};
use crate::harness::{Answer, TestApp, TestWorker, until};

/// What became of it: matched, done, skipped.
async fn counts(app: &TestApp, action: &str, filter: Value, dry_run: bool) -> [u64; 3] {
    let answer = act(app, &json!({ "action": action, "filter": filter, "dryRun": dry_run })).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["action"], &body["dryRun"]), (200, &json!(action), &json!(dry_run)), "{body}");
    ["matched", "done", "skipped"].map(|name| body[name].as_u64().unwrap())
}

async fn state(app: &TestApp, id: &str) -> Value {
    task(app, id).await["state"].take()
}

#[tokio::test]
async fn tasks_are_retried_by_filter_and_counted_before() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_BACKOFF", "1ms")]).await;
    let once = json!({ "options": { "attempts": 1 } });
    let mut failed = Vec::new();
    for _ in 0..3 {
        failed.push(sent(&app, "fail", &json!({ "times": 1 }), &once).await);
    }
    let fine = sent(&app, "hello", &json!({}), &json!({})).await;
    let mut stream = TestApp::call("countdown", &json!({ "from": 1, "ms": 1 }));
    stream["mode"] = json!("stream");
    let stream = app.submit(&stream).await.task_id();
    for id in failed.iter().chain([&fine, &stream]) {
        app.ended(id).await;
    }
    let asleep = sent(&app, "sleep", &json!({ "ms": 60_000 }), &json!({})).await;
    running(&app, &asleep).await;

    assert_eq!(counts(&app, "retry", json!({ "state": "failed" }), true).await, [3, 0, 0]);
    assert_eq!(counts(&app, "retry", json!({}), true).await, [6, 0, 2], "a stream and one that runs");
    assert_eq!(state(&app, &failed[0]).await, "failed", "nothing was done yet");
    assert_eq!(counts(&app, "retry", json!({ "state": ["failed"], "function": "fail" }), false).await, [3, 3, 0]);
    for id in &failed {
        let ended = app.ended(id).await;
        assert_eq!((&ended["state"], ended["attempts"].as_array().unwrap().len()), (&json!("completed"), 2));
    }
    assert_eq!(worker.order().iter().filter(|id| **id == fine).count(), 1, "the others were left alone");
    assert_eq!(counts(&app, "retry", json!({ "state": "failed" }), false).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_task_that_runs_again_is_not_done_twice() {
    let worker = TestWorker::start(&["--slots", "16"]).await;
    let app = TestApp::start(&[&worker]).await;
    // More than are looked at in one step; those of the first have ended anew before the last is reached, or not.
    let items: Vec<Value> = (0..250).map(|_| TestApp::call("hello", &json!({}))).collect();
    let batch = app.request("POST", "/tasks").header("x-wr-auth", crate::harness::WORKER_KEY).json(&items);
    batch.send().await.unwrap();
    let all_ended = |times: usize| {
        let (app, worker) = (&app, &worker);
        async move {
            until("all have ended", || async {
                worker.started() == times
                    && app.get("/tasks?state=queued,delayed,running&limit=1").await.json()["tasks"] == json!([])
            })
            .await;
        }
    };
    all_ended(250).await;
    assert_eq!(counts(&app, "retry", json!({}), false).await, [250, 250, 0]);
    all_ended(500).await;
}

#[tokio::test]
async fn tasks_are_cancelled_by_filter() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start(&[&worker]).await;
    let fine = sent(&app, "hello", &json!({}), &json!({})).await;
    app.ended(&fine).await;
    let asleep = sent(&app, "sleep", &json!({ "ms": 60_000 }), &json!({})).await;
    running(&app, &asleep).await;
    let queued = sent(&app, "hello", &json!({}), &json!({})).await;
    let delayed = sent(&app, "hello", &json!({}), &json!({ "options": { "delayMs": 3_600_000 } })).await;
    let elsewhere = sent(&app, "hello", &json!({}), &json!({ "group": "elsewhere" })).await;
    let filter = json!({ "group": "default" });
    assert_eq!(counts(&app, "cancel", filter.clone(), true).await, [4, 0, 1]);
    assert_eq!(state(&app, &queued).await, "queued");
    assert_eq!(counts(&app, "cancel", filter, false).await, [4, 3, 1]);
    for id in [&asleep, &queued, &delayed] {
        assert_eq!(app.ended(id).await["state"], "cancelled");
    }
    assert_eq!([state(&app, &fine).await, state(&app, &elsewhere).await], ["completed", "queued"]);
}

#[tokio::test]
async fn ended_tasks_are_removed_by_filter() {
    let app = TestApp::start_for(&[], &[]).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(sent(&app, "hello", &json!({}), &json!({})).await);
    }
    for id in &ids[..3] {
        send(&app, "DELETE", &format!("/tasks/{id}")).await;
    }
    assert_eq!(counts(&app, "remove", json!({}), true).await, [4, 0, 1]);
    assert_eq!(counts(&app, "remove", json!({ "q": &ids[0] }), false).await, [1, 1, 0]);
    assert_eq!(counts(&app, "remove", json!({ "state": "queued" }), false).await, [1, 0, 1]);
    assert_eq!(counts(&app, "remove", json!({}), false).await, [3, 2, 1]);
    for id in &ids[..3] {
        assert_eq!(error(&app.get(&format!("/tasks/{id}")).await), refused(404, "task_not_found"));
    }
    assert_eq!(state(&app, &ids[3]).await, "queued");
}

#[tokio::test]
async fn a_full_queue_stops_a_retry_and_what_was_done_is_said() {
    let app = TestApp::start_for(&[], &[("MAX_QUEUED_TASKS", "2")]).await;
    for _ in 0..3 {
        let id = sent(&app, "hello", &json!({}), &json!({})).await;
        send(&app, "DELETE", &format!("/tasks/{id}")).await;
    }
    let retry = json!({ "action": "retry", "filter": { "state": "cancelled" } });
    let body = act(&app, &retry).await.json();
    assert_eq!(
        (&body["matched"], &body["done"], &body["code"]),
        (&json!(3), &json!(2), &json!("queue_full")),
        "{body}"
    );
    let answer = act(&app, &retry).await;
    assert_eq!(error(&answer), refused(429, "queue_full"), "nothing was done");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_wrong_body_changes_nothing() {
    let app = TestApp::start_for(&[], &[]).await;
    let id = sent(&app, "hello", &json!({}), &json!({})).await;
    for (body, code, named) in [
        (json!([]), "invalid_json", "object"),
        (json!({ "filter": {} }), "missing_field", "action"),
        (json!({ "action": "cancel" }), "missing_field", "filter"),
        (json!({ "action": "stop", "filter": {} }), "invalid_action", "action"),
        (json!({ "action": "cancel", "filter": {}, "dryRun": "no" }), "invalid_action", "dryRun"),
        (json!({ "action": "cancel", "filter": {}, "dry_run": true }), "unknown_field", "dry_run"),
        (json!({ "action": "cancel", "filter": { "stat": "failed" } }), "unknown_field", "filter.stat"),
        (json!({ "action": "cancel", "filter": { "state": "done" } }), "invalid_filter", "filter.state"),
    ] {
        let answer = act(&app, &body).await;
        assert_eq!(error(&answer), refused(400, code), "{body}");
        let text = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(text.split(' ').any(|word| word == named), "{body}: {text}");
    }
    let text = app.request("POST", "/tasks/actions").body("{}").send().await.unwrap();
    assert_eq!(error(&Answer::of(text).await), refused(415, "unsupported_media_type"));
    assert_eq!(state(&app, &id).await, "queued");
}
