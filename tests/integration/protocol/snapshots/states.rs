//! A task in each of its states, as `GET /tasks/{id}` shows it.

use serde_json::{Value, json};

use super::{call, check};
use crate::harness::{TestApp, TestWorker, until};

/// The path of a task that was sent with mode `async`.
async fn sent(app: &TestApp, function: &str, input: &Value, fields: &Value) -> String {
    let mut task = call(function, input, fields);
    task["mode"] = json!("async");
    app.submit(&task).await.header("location").unwrap().to_owned()
}

#[tokio::test]
async fn on_its_way() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let none = json!({});
    let queued = sent(&app, "hello", &none, &json!({ "group": "nobody", "contract": 1.5, "priority": 3 })).await;
    check("state_queued", &app.get(&queued).await);
    let delayed = sent(&app, "hello", &none, &json!({ "options": { "delayMs": 3_600_000 } })).await;
    check("state_delayed", &app.get(&delayed).await);
    let running = sent(&app, "sleep", &json!({ "ms": 60_000 }), &none).await;
    until("it runs", || async { app.get(&running).await.json()["attempts"][0].is_object() }).await;
    check("state_running", &app.get(&running).await);
}

#[tokio::test]
async fn at_its_end() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("QUEUE_TTL", "1s"), ("TASK_BACKOFF", "1")]).await;
    let none = json!({});
    let ends = |path: String| async move { format!("{path}?wait=60s") };
    let completed = sent(&app, "hello", &none, &none).await;
    check("state_completed", &app.get(&ends(completed).await).await);
    let failed = sent(&app, "fail", &json!({ "message": "no luck" }), &json!({ "options": { "attempts": 2 } })).await;
    check("state_failed", &app.get(&ends(failed).await).await);
    let rejected = sent(&app, "hello", &json!(7), &none).await;
    check("state_failed_rejected", &app.get(&ends(rejected).await).await);
    let timed_out =
        sent(&app, "sleep", &json!({ "ms": 60_000 }), &json!({ "options": { "attempts": 1, "timeoutMs": 20 } })).await;
    check("state_failed_timeout", &app.get(&ends(timed_out).await).await);
    let expired = sent(&app, "hello", &none, &json!({ "group": "nobody" })).await;
    check("state_failed_expired", &app.get(&ends(expired).await).await);

    let task = call("countdown", &json!({ "from": 1, "ms": 60_000 }), &json!({ "mode": "stream" }));
    let mut stream = app.task(&task).send().await.unwrap();
    let path = format!("/tasks/{}", stream.headers()["x-task-id"].to_str().unwrap());
    stream.chunk().await.unwrap();
    drop(stream);
    check("state_cancelled_client_gone", &app.get(&ends(path).await).await);
}
