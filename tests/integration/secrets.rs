//! The workers' key, in what the balancer keeps and says.

use std::path::Path;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::{Answer, LB_KEY, Recorder, TestApp, TestWorker, WORKER_KEY, app::client, with};

const KEY: &str = "recognisable-7f3a9c51";
const EARLIER: &str = "an-earlier-key-of-the-balancer";

fn with_key(app: &TestApp, key: &str, body: &Value) -> RequestBuilder {
    app.request("POST", "/task").header("x-wr-auth", key).json(body)
}

/// The files below a directory that contain this, and how many files there are.
fn grep(directory: &Path, needle: &str) -> (Vec<String>, usize) {
    let (mut found, mut files) = (Vec::new(), 0);
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let (below, count) = grep(&path, needle);
            found.extend(below);
            files += count;
        } else {
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    (found, files)
}

#[tokio::test]
async fn the_key_to_the_workers_is_in_no_file_and_no_log() {
    let (worker, receiver) = (TestWorker::start(&["--auth-key", KEY]).await, Recorder::start().await);
    let env = [("LOG_LEVEL", "debug"), ("WEBHOOK_ALLOW_PRIVATE", "true"), ("TASK_ATTEMPTS", "2")];
    let mut app = TestApp::start_with(&[&worker], &env).await;
    let echo = TestApp::call("echo", &json!({ "text": "in-the-log" }));
    let fail = TestApp::call("fail", &json!({}));
    let stream = with(TestApp::call("countdown", &json!({ "from": 2, "ms": 1 })), json!({ "mode": "stream" }));
    let hook = json!({ "mode": "webhook", "webhook": { "url": receiver.url } });
    let later = with(echo.clone(), json!({ "mode": "async", "options": { "delayMs": 600_000 } }));
    let mut ids = Vec::new();
    for (key, body) in [
        (KEY, echo.clone()),
        (KEY, fail.clone()),
        ("recognisable-7f3a9c51-and-wrong", echo.clone()),
        (KEY, stream),
        (KEY, later),
        (KEY, with(echo.clone(), json!({ "mode": "async" }))),
        (KEY, with(fail.clone(), json!({ "mode": "async" }))),
        (KEY, with(echo, hook.clone())),
        (KEY, with(fail, hook)),
    ] {
        let request = with_key(&app, key, &body).header("idempotency-key", format!("key-{}", ids.len()));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert!(answer.header("x-task-id").is_some(), "{body}: {}", answer.text());
        ids.push(answer.task_id());
    }
    for id in ids.iter().filter(|id| **id != ids[4]) {
        app.ended(id).await;
    }
    let mut lines = Vec::new();
    for _ in 0..2 {
        let (found, files) = grep(&app.data(), KEY);
        assert!(found.is_empty() && files > 2, "{found:?} of {files}");
        assert_eq!(grep(&app.data(), "in-the-log").0.len(), 1, "what is no secret is found");
        for path in ["/logs", "/tasks?limit=100", "/dashboard/api/workers", "/metrics"] {
            let answer = app.get(path).await;
            assert!(answer.status == 200 && !answer.text().contains(KEY), "{path}");
        }
        for id in &ids {
            assert!(!app.shown(id).await.to_string().contains(KEY), "{id}");
        }
        lines.extend(app.lines());
        app.kill().await;
        app.restart().await;
    }
    lines.extend(app.lines());
    assert!(lines.len() > 10);
    assert!(lines.iter().all(|line| !line.contains(KEY)), "{lines:#?}");
}

/// A balancer that took a task under another key of its own, and was killed; the task.
async fn took_under_another_key(worker: &TestWorker) -> (TestApp, String) {
    let mut app = TestApp::start_for(&[&worker.url], &[("LB_AUTH_KEY", EARLIER)]).await;
    let task = with(TestApp::call("hello", &json!({})), json!({ "mode": "async" }));
    let request = client().post(format!("{}/task", app.url)).header("authorization", EARLIER);
    let answer = Answer::of(request.header("x-wr-auth", WORKER_KEY).json(&task).send().await.unwrap()).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    app.kill().await;
    (app, answer.task_id())
}

#[tokio::test]
async fn under_another_key_of_the_balancer_a_waiting_task_says_that_its_key_cannot_be_read() {
    let worker = TestWorker::start(&[]).await;
    let (mut app, id) = took_under_another_key(&worker).await;
    app.restart_with(&[("LB_AUTH_KEY", LB_KEY)]).await;
    let task = app.ended(&id).await;
    assert_eq!((&task["state"], &task["code"]), (&json!("failed"), &json!("credential_unreadable")));
    assert_eq!(worker.started(), 0);
}

#[tokio::test]
async fn a_waiting_task_runs_when_the_earlier_key_is_known() {
    let worker = TestWorker::start(&[]).await;
    let (mut app, id) = took_under_another_key(&worker).await;
    app.restart_with(&[("LB_AUTH_KEY", LB_KEY), ("LB_AUTH_KEY_PREVIOUS", EARLIER)]).await;
    assert_eq!(app.ended(&id).await["state"], "completed");
    assert_eq!(worker.started(), 1);
}
