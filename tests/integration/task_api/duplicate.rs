//! `POST /tasks/{id}/duplicate`.

use serde_json::{Value, json};

use super::{error, refused, send, sent, task};
use crate::harness::{Answer, TestApp, TestWorker};

async fn duplicate(app: &TestApp, id: &str, own: &Value) -> Answer {
    Answer::of(app.request("POST", &format!("/tasks/{id}/duplicate")).json(own).send().await.unwrap()).await
}

#[tokio::test]
async fn a_duplicate_is_a_task_of_its_own_with_the_key_of_the_first() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let once = json!({ "priority": 4, "options": { "idempotencyKey": "once", "tenant": "t" } });
    let id = sent(&app, "hello", &json!({ "name": "One" }), &once).await;
    app.ended(&id).await;
    // Without a body: the same again.
    let same = send(&app, "POST", &format!("/tasks/{id}/duplicate")).await;
    assert_eq!((same.status, same.json()["status"].as_str()), (202, Some("queued")), "{}", same.text());
    let new = same.task_id();
    assert_ne!(new, id);
    assert_eq!(same.header("location"), Some(format!("/tasks/{new}").as_str()));
    let ended = app.ended(&new).await;
    assert_eq!((&ended["state"], &ended["priority"]), (&json!("completed"), &json!(4)), "{ended}");
    assert_eq!(ended["result"]["result"]["message"], "Hello One!");

    let other = duplicate(&app, &id, &json!({ "input": { "name": "Two" }, "priority": null, "options": {} })).await;
    let ended = app.ended(&other.task_id()).await;
    assert_eq!((&ended["result"]["result"]["message"], &ended["priority"]), (&json!("Hello Two!"), &Value::Null));
    assert_eq!(app.get("/tasks?tenant=t").await.json()["tasks"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_nobody_waits_for_becomes_async() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut stream = TestApp::call("countdown", &json!({ "from": 1, "ms": 1 }));
    stream["mode"] = json!("stream");
    let id = app.submit(&stream).await.task_id();
    let new = duplicate(&app, &id, &json!({ "function": "hello", "input": {} })).await.task_id();
    let ended = app.ended(&new).await;
    assert_eq!((&ended["mode"], &ended["state"]), (&json!("async"), &json!("completed")));
}

#[tokio::test]
async fn what_cannot_be_replaced_is_refused() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let id = sent(&app, "hello", &json!({}), &json!({})).await;
    for (own, status, code) in [
        (json!({ "group": "other" }), 400, "unknown_field"),
        (json!({ "mode": "sync" }), 400, "unknown_field"),
        (json!([]), 400, "invalid_json"),
        (json!({ "options": { "idempotencyKey": "k" } }), 400, "invalid_idempotency_key"),
        (json!({ "function": "nothing" }), 404, "unknown_function"),
    ] {
        assert_eq!(error(&duplicate(&app, &id, &own).await), refused(status, code), "{own}");
    }
    let request = app.request("POST", &format!("/tasks/{id}/duplicate")).body("{}");
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(error(&answer), refused(415, "unsupported_media_type"));
    assert_eq!(task(&app, &id).await["taskId"], id);
    assert_eq!(app.get("/tasks").await.json()["tasks"].as_array().unwrap().len(), 1);
}
