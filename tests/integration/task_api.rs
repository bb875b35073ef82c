//! `/tasks` and `/lanes`: looking at tasks and lanes, and what may be asked for them.

mod actions;
mod cancel;
mod change;
mod duplicate;
mod events;
mod keys;
mod lanes;
mod list;
mod retry;
mod snapshots;
mod waiting;

use serde_json::{Value, json};

use crate::harness::{Answer, TestApp, until};

const UNKNOWN: &str = "018c0000-0000-7000-8000-000000000000";

/// An async call with further fields.
fn call(function: &str, input: &Value, fields: &Value) -> Value {
    let mut task = TestApp::call(function, input);
    task["mode"] = json!("async");
    for (name, value) in fields.as_object().unwrap() {
        task[name] = value.clone();
    }
    task
}

/// Sends an async call; its id.
async fn sent(app: &TestApp, function: &str, input: &Value, fields: &Value) -> String {
    app.submit(&call(function, input, fields)).await.task_id()
}

async fn send(app: &TestApp, method: &str, path: &str) -> Answer {
    Answer::of(app.request(method, path).send().await.unwrap()).await
}

async fn task(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/tasks/{id}")).await.json()
}

async fn patch(app: &TestApp, id: &str, body: &Value) -> Answer {
    Answer::of(app.request("PATCH", &format!("/tasks/{id}")).json(body).send().await.unwrap()).await
}

async fn act(app: &TestApp, body: &Value) -> Answer {
    Answer::of(app.request("POST", "/tasks/actions").json(body).send().await.unwrap()).await
}

/// Waits until a worker has the task.
async fn running(app: &TestApp, id: &str) {
    until("it runs", || async {
        let task = task(app, id).await;
        task["state"] == "running"
            && task["attempts"].as_array().unwrap().last().is_some_and(|last| last["endedAt"].is_null())
    })
    .await;
}

/// The status and code of an error.
fn error(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    (answer.status, body["code"].as_str().unwrap().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
