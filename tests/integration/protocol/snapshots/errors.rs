//! Each error code that a client can get as an answer.

use serde_json::json;

use super::super::{HELLO, hello_with, send};
use super::{call, check};
use crate::harness::app::client;
use crate::harness::{TestApp, TestWorker, until};

#[tokio::test]
async fn refused_before_there_is_a_task() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("REQUEST_BODY_LIMIT", "1kb")]).await;
    let keyless = client().post(format!("{}/task", app.url)).body(HELLO);
    check("error_unauthorized", &send(keyless).await);
    check("error_not_found", &app.get("/nothing").await);
    check("error_method_not_allowed", &app.get("/task").await);
    let without_worker_key = app.request("POST", "/task").header("content-type", "application/json").body(HELLO);
    check("error_missing_worker_key", &send(without_worker_key).await);
    check("error_unsupported_media_type", &send(app.task_text(HELLO).header("content-encoding", "zip")).await);
    check("error_body_too_large", &send(app.task_text(" ".repeat(1025))).await);
    check("error_invalid_json", &send(app.task_text("[]")).await);
    for (code, field) in [
        ("missing_field", r#""group":null"#),
        ("invalid_group", r#""group":7"#),
        ("invalid_function", r#""function":7"#),
        ("invalid_contract", r#""contract":"1""#),
        ("invalid_priority", r#""priority":-1"#),
        ("invalid_mode", r#""mode":"batch""#),
        ("invalid_webhook", r#""mode":"webhook""#),
        ("invalid_options", r#""options":{"attempts":0}"#),
        ("unknown_function", r#""function":"nothing""#),
    ] {
        check(&format!("error_{code}"), &send(app.task_text(hello_with(field))).await);
    }
    let unknown = "/tasks/018c0000-0000-7000-8000-000000000000";
    check("error_task_not_found", &app.get(unknown).await);
    check("error_invalid_query", &app.get(&format!("{unknown}?wait=soon")).await);
}

#[tokio::test]
async fn a_full_queue_and_a_shutdown() {
    let app = TestApp::start_for(&[], &[("MAX_QUEUED_TASKS", "1"), ("NO_WORKER_TIMEOUT", "1h")]).await;
    let hello = TestApp::call("hello", &json!({}));
    let (waiting, ()) = tokio::join!(app.submit(&hello), async {
        let queued = r#"andera_lb_lane_queued{group="default",contract="1"} 1"#;
        until("the one place is taken", || async { app.get("/metrics").await.text().contains(queued) }).await;
        check("error_queue_full", &app.submit(&hello).await);
        app.terminate();
    });
    check("error_shutting_down", &waiting);
}

#[tokio::test]
async fn tasks_that_no_worker_answered() {
    let mut worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("NO_WORKER_TIMEOUT", "1500")]).await;
    check("error_no_worker", &app.submit(&call("hello", &json!({}), &json!({ "group": "nobody" }))).await);
    let sleep = |options| call("sleep", &json!({ "ms": 60_000 }), &json!({ "options": options }));
    check("error_timeout", &app.submit(&sleep(json!({ "timeoutMs": 50 }))).await);

    let begun = worker.started();
    let task = sleep(json!({ "attempts": 1 }));
    let (answer, ()) = tokio::join!(app.submit(&task), async {
        until("it runs", || async { worker.started() > begun }).await;
        worker.kill().await;
    });
    check("error_worker_unreachable", &answer);
    let url = base64_of(&worker.url);
    check("error_worker_logs", &app.get(&format!("/dashboard/api/workers/{url}/logs")).await);
}

fn base64_of(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text)
}
