//! `DELETE /tasks/{id}`.

use serde_json::json;

use super::{error, refused, send, sent, task};
use crate::harness::{TestApp, TestWorker, until};

#[tokio::test]
async fn a_waiting_task_is_cancelled_at_once() {
    let app = TestApp::start_for(&[], &[]).await;
    for fields in [json!({}), json!({ "options": { "delayMs": 3_600_000 } })] {
        let id = sent(&app, "hello", &json!({}), &fields).await;
        let answer = send(&app, "DELETE", &format!("/tasks/{id}")).await;
        assert_eq!((answer.status, answer.task_id()), (200, id.clone()));
        let shown = answer.json();
        assert_eq!((&shown["state"], &shown["code"]), (&json!("cancelled"), &json!("cancelled")), "{shown}");
        assert_eq!(task(&app, &id).await, shown);
        assert_eq!(error(&send(&app, "DELETE", &format!("/tasks/{id}")).await), refused(409, "task_ended"));
    }
}

#[tokio::test]
async fn a_running_task_is_cut_off_and_its_client_told() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start(&[&worker]).await;
    let call = TestApp::call("sleep", &json!({ "ms": 60_000 }));
    let (answer, cancelled) = tokio::join!(app.submit(&call), async {
        until("it runs", || async { worker.started() == 1 }).await;
        let id = app.get("/tasks?state=running").await.json()["tasks"][0]["taskId"].as_str().unwrap().to_owned();
        send(&app, "DELETE", &format!("/tasks/{id}")).await
    });
    assert_eq!(error(&answer), refused(409, "cancelled"));
    let shown = cancelled.json();
    assert_eq!((cancelled.status, &shown["state"]), (200, &json!("cancelled")), "{shown}");
    assert_eq!(shown["attempts"][0]["outcome"], "cancelled", "{shown}");
}

#[tokio::test]
async fn a_task_that_has_ended_stays_as_it_is() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let id = sent(&app, "hello", &json!({}), &json!({})).await;
    let ended = app.ended(&id).await;
    let answer = send(&app, "DELETE", &format!("/tasks/{id}")).await;
    assert_eq!(error(&answer), refused(409, "task_ended"));
    assert_eq!(answer.json()["taskId"], id);
    assert_eq!(task(&app, &id).await, ended);
}

#[tokio::test]
async fn a_cancelled_task_between_two_attempts_has_no_other() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_BACKOFF", "1h"), ("TASK_BACKOFF_MAX", "1h")]).await;
    let id = sent(&app, "fail", &json!({}), &json!({})).await;
    until("it has failed once", || async { task(&app, &id).await["state"] == "delayed" }).await;
    let shown = send(&app, "DELETE", &format!("/tasks/{id}")).await.json();
    assert_eq!((&shown["state"], shown["attempts"].as_array().unwrap().len()), (&json!("cancelled"), 1));
    let next = sent(&app, "sleep", &json!({ "ms": 60_000 }), &json!({})).await;
    until("the next one runs", || async { worker.ledger().iter().any(|event| event["taskId"] == *next) }).await;
    assert_eq!(worker.started(), 2, "the first ran once");
}
