//! `Idempotency-Key`: the same submission sent again.

mod clients;
mod keys;
mod repeats;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, TestApp, TestWorker, until};

/// Sends a task under a key.
async fn send(app: &TestApp, key: &str, task: &Value) -> Answer {
    Answer::of(app.task(task).header("idempotency-key", key).send().await.unwrap()).await
}

fn call(function: &str, mode: &str, input: &Value) -> Value {
    let mut task = TestApp::call(function, input);
    task["mode"] = json!(mode);
    task
}

/// The status, the code and the task of an error.
fn error(answer: &Answer) -> (u16, String, Option<String>) {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    (answer.status, text("code").unwrap_or_else(|| panic!("no code in {body}")), text("taskId"))
}

fn refused(status: u16, code: &str, task: &str) -> (u16, String, Option<String>) {
    (status, code.to_owned(), Some(task.to_owned()))
}

/// Fills the one slot of a worker for so long.
async fn occupy(app: &TestApp, worker: &TestWorker, ms: u64) {
    let begun = worker.started();
    assert_eq!(app.submit(&call("sleep", "async", &json!({ "ms": ms }))).await.status, 202);
    until("the slot is taken", || async { worker.started() > begun }).await;
}

/// Waits until that many tasks wait in the lane of the tests.
async fn queued(app: &TestApp, count: usize) {
    let line = format!("andera_lb_lane_queued{{group=\"default\",contract=\"1\"}} {count}\n");
    until(&line, || async { app.get("/metrics").await.text().contains(&line) }).await;
}

/// The runs of a worker, by the ids of their tasks.
fn runs(worker: &TestWorker) -> Vec<String> {
    let started = worker.ledger().into_iter().filter(|event| event["event"] == "start");
    started.map(|event| event["taskId"].as_str().unwrap().to_owned()).collect()
}

/// Longer than anything here takes, even on a busy machine.
const LONG: Duration = Duration::from_mins(1);
