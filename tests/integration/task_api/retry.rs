//! `POST /tasks/{id}/retry`.

use serde_json::{Value, json};

use super::{error, refused, running, send, sent, task};
use crate::harness::{Recorder, TestApp, TestWorker, until};

async fn retry(app: &TestApp, id: &str) -> Value {
    let answer = send(app, "POST", &format!("/tasks/{id}/retry")).await;
    assert_eq!((answer.status, answer.task_id().as_str()), (200, id), "{}", answer.text());
    answer.json()
}

fn outcomes(task: &Value) -> Vec<(u64, &str)> {
    let attempts = task["attempts"].as_array().unwrap().iter();
    attempts.map(|attempt| (attempt["n"].as_u64().unwrap(), attempt["outcome"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_failed_task_has_all_its_attempts_anew_and_keeps_its_history() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_BACKOFF", "1ms")]).await;
    // The worker fails the first three calls of a task.
    let id = sent(&app, "fail", &json!({ "times": 3 }), &json!({ "options": { "attempts": 2 } })).await;
    let ended = app.ended(&id).await;
    assert_eq!((&ended["state"], &outcomes(&ended)[..]), (&json!("failed"), &[(1, "failed"), (2, "failed")][..]));
    let shown = retry(&app, &id).await;
    assert_eq!((&shown["taskId"], &shown["createdAt"]), (&json!(id), &ended["createdAt"]));
    let ended = app.ended(&id).await;
    assert_eq!(ended["state"], "completed", "{ended}");
    assert_eq!(outcomes(&ended), [(1, "failed"), (2, "failed"), (3, "failed"), (4, "completed")]);
    assert!(ended.get("error").is_none() && ended.get("code").is_none(), "{ended}");
}

#[tokio::test]
async fn what_waits_again_shows_nothing_of_its_end() {
    let app = TestApp::start_for(&[], &[]).await;
    let id = sent(&app, "hello", &json!({}), &json!({})).await;
    let before = task(&app, &id).await;
    send(&app, "DELETE", &format!("/tasks/{id}")).await;
    assert_eq!(retry(&app, &id).await, before);
    let answer = send(&app, "POST", &format!("/tasks/{id}/retry")).await;
    assert_eq!(error(&answer), refused(409, "task_not_ended"));
    assert_eq!(answer.json()["taskId"], id);
}

#[tokio::test]
async fn a_completed_task_runs_once_more_even_where_one_run_was_allowed() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let id = sent(&app, "hello", &json!({}), &json!({ "options": { "attempts": 1 } })).await;
    app.ended(&id).await;
    retry(&app, &id).await;
    let ended = app.ended(&id).await;
    assert_eq!(outcomes(&ended), [(1, "completed"), (2, "completed")]);
    assert_eq!(worker.started(), 2);
}

#[tokio::test]
async fn a_sync_task_runs_again_as_an_async_one() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut call = TestApp::call("sleep", &json!({ "ms": 300 }));
    call["options"] = json!({ "timeoutMs": 100 });
    let answer = app.submit(&call).await;
    assert_eq!(error(&answer), refused(504, "timeout"));
    let id = answer.task_id();
    retry(&app, &id).await;
    until("it has been tried more than once", || async { task(&app, &id).await["attempts"][2].is_object() }).await;
    assert_eq!(task(&app, &id).await["mode"], "async", "nobody waits, so a timeout is retried");
}

#[tokio::test]
async fn a_webhook_task_posts_its_result_again() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    let app = TestApp::start(&[&worker]).await;
    let fields = json!({ "mode": "webhook", "webhook": { "url": receiver.url } });
    let id = sent(&app, "hello", &json!({}), &fields).await;
    receiver.first().await;
    app.ended(&id).await;
    receiver.take();
    retry(&app, &id).await;
    assert_eq!(receiver.first().await.json()["success"], true);
    assert_eq!(app.ended(&id).await["mode"], "webhook");
}

#[tokio::test]
async fn a_stream_cannot_run_again_and_a_running_task_need_not() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut call = TestApp::call("countdown", &json!({ "from": 1, "ms": 1 }));
    call["mode"] = json!("stream");
    let id = app.submit(&call).await.task_id();
    app.ended(&id).await;
    let answer = send(&app, "POST", &format!("/tasks/{id}/retry")).await;
    assert_eq!(error(&answer), refused(409, "stream_finished"));
    let asleep = sent(&app, "sleep", &json!({ "ms": 60_000 }), &json!({})).await;
    running(&app, &asleep).await;
    let answer = send(&app, "POST", &format!("/tasks/{asleep}/retry")).await;
    assert_eq!(error(&answer), refused(409, "task_not_ended"));
}

#[tokio::test]
async fn a_full_queue_has_no_room_for_it() {
    let app = TestApp::start_for(&[], &[("MAX_QUEUED_TASKS", "1")]).await;
    let id = sent(&app, "hello", &json!({}), &json!({})).await;
    send(&app, "DELETE", &format!("/tasks/{id}")).await;
    sent(&app, "hello", &json!({}), &json!({})).await;
    let answer = send(&app, "POST", &format!("/tasks/{id}/retry")).await;
    assert_eq!(error(&answer), refused(429, "queue_full"));
    assert_eq!(answer.header("retry-after"), Some("1"));
}
