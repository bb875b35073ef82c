//! `GET /tasks/{id}`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{error, error_of, refused};
use crate::harness::{TestApp, TestWorker, until};

const UNKNOWN: &str = "018c0000-0000-7000-8000-000000000000";

fn later(function: &str, input: &Value) -> Value {
    let mut task = TestApp::call(function, input);
    task["mode"] = json!("async");
    task
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_404() {
    let app = TestApp::start(&[]).await;
    for id in [
        UNKNOWN,
        "1",
        "x",
        "018c00000000700080000000000000000",
        "%7B018c0000-0000-7000-8000-000000000000%7D",
        "%FF",
        "a%2Fb",
    ] {
        for query in ["", "?wait=30s"] {
            let answer = app.get(&format!("/tasks/{id}{query}")).await;
            assert_eq!(error(&answer), refused(404, "task_not_found"), "{id}");
        }
    }
    assert_eq!(error_of(app.request("GET", "/tasks/")).await, refused(404, "not_found"));
}

#[tokio::test]
async fn a_bad_wait_is_named() {
    let app = TestApp::start(&[]).await;
    for query in ["wait=soon", "wait=", "wait=-1s", "wait=1.5s", "wait=1h", "wait=1s&wait=2s"] {
        let answer = app.get(&format!("/tasks/{UNKNOWN}?{query}")).await;
        assert_eq!(error(&answer), refused(400, "invalid_query"), "{query}");
    }
}

#[tokio::test]
async fn wait_returns_at_the_end_of_the_task_or_of_the_time() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let begun = Instant::now();
    let id = app.submit(&later("sleep", &json!({ "ms": 60_000 }))).await.task_id();
    for (wait, length) in [("100ms", 100), ("0s", 0), ("0", 0)] {
        let asked = Instant::now();
        let shown = app.get(&format!("/tasks/{id}?wait={wait}")).await.json();
        assert!(!["completed", "failed", "cancelled"].contains(&shown["state"].as_str().unwrap()), "{shown}");
        assert!(asked.elapsed() >= Duration::from_millis(length), "{wait}");
    }
    assert!(begun.elapsed() < Duration::from_secs(50), "no wait lasts until the end of the task");

    let id = app.submit(&later("sleep", &json!({ "ms": 200 }))).await.task_id();
    let asked = Instant::now();
    let path = format!("/tasks/{id}?wait=300s");
    let (one, two) = tokio::join!(app.get(&path), app.get(&path));
    assert_eq!(
        (&one.json()["state"], &two.json()["state"]),
        (&json!("completed"), &json!("completed")),
        "all who wait"
    );
    assert!(asked.elapsed() < Duration::from_secs(50), "long before the time is over");
}

#[tokio::test]
async fn a_task_is_shown_as_it_goes_from_delayed_to_running_to_its_end() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut task = later("sleep", &json!({ "ms": 300 }));
    task["options"] = json!({ "delayMs": 300 });
    task["priority"] = json!(7);
    let id = app.submit(&task).await.task_id();
    let path = format!("/tasks/{id}");
    let shown = app.get(&path).await.json();
    assert_eq!((&shown["state"], &shown["priority"], &shown["attempts"]), (&json!("delayed"), &json!(7), &json!([])));
    assert!(shown["runAt"].as_str() > shown["createdAt"].as_str(), "{shown}");
    assert!(shown.get("finishedAt").is_none() && shown.get("result").is_none());

    until("it runs", || async { app.get(&path).await.json()["state"] != "delayed" }).await;
    let shown = app.get(&path).await.json();
    assert_eq!((&shown["state"], &shown["attempts"][0]["n"]), (&json!("running"), &json!(1)), "{shown}");
    assert_eq!(shown["attempts"][0]["endedAt"], Value::Null);

    let shown = app.ended(&id).await;
    assert_eq!((&shown["state"], &shown["attempts"][0]["outcome"]), (&json!("completed"), &json!("completed")));
    assert!(shown["finishedAt"].as_str() >= shown["attempts"][0]["endedAt"].as_str());
}

#[tokio::test]
async fn a_result_that_is_too_large_is_kept_cut() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("RESULT_MAX_BYTES", "100b")]).await;
    let answer = app.submit(&TestApp::call("big", &json!({ "bytes": 200_000 }))).await;
    assert_eq!(
        (answer.status, answer.json()["result"]["data"].as_str().unwrap().len()),
        (200, 200_000),
        "whole to its client"
    );
    let shown = app.ended(&answer.task_id()).await;
    assert_eq!((&shown["state"], &shown["resultTruncated"]), (&json!("completed"), &json!(true)));
    assert_eq!(shown["result"].as_str().unwrap(), &answer.text()[..100]);
}
