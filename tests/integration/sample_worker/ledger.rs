//! What the worker writes down.

use std::path::PathBuf;

use andera_lb::sample_worker::WorkerOptions;
use serde_json::{Value, json};

use super::{call, options, start_with, with};

/// A ledger file and what stands in it.
pub(super) struct Ledger(tempfile::TempDir);

impl Ledger {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("ledger.jsonl")
    }

    fn all(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The ids of all tasks with such an event, in order.
    pub(super) fn tasks(&self, event: &str) -> Vec<String> {
        let of_event = self.all().into_iter().filter(|line| line["event"] == event);
        of_event.map(|line| line["taskId"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn lines(&self, event: &str, task: &str) -> Vec<Value> {
        self.all().into_iter().filter(|line| line["event"] == event && line["taskId"] == task).collect()
    }
}

#[tokio::test]
async fn starts_ends_and_refusals_are_written_down() {
    let ledger = Ledger::new();
    let worker = start_with(WorkerOptions { ledger: Some(ledger.path()), ..options() }).await;
    for body in [
        with(call("hello", json!({})), "priority", json!(7)),
        call("fail", json!({})),
        with(call("hello", json!({})), "priority", json!(0)),
        call("nope", json!({})),
    ] {
        worker.spawn("t", body).await.unwrap();
    }
    let seen: Vec<_> = ledger
        .all()
        .into_iter()
        .map(|mut line| {
            assert!(line["at"].as_i64().unwrap() > 1_700_000_000_000);
            line.as_object_mut().unwrap().remove("at");
            line
        })
        .collect();
    let refused = |function: &str, priority: Value, status: u16| {
        json!({"event": "refused", "taskId": "t", "function": function, "priority": priority, "ok": false,
               "status": status})
    };
    assert_eq!(
        seen,
        [
            json!({"event": "start", "taskId": "t", "function": "hello", "priority": 7}),
            json!({"event": "end", "taskId": "t", "function": "hello", "priority": 7, "ok": true}),
            json!({"event": "start", "taskId": "t", "function": "fail", "priority": null}),
            json!({"event": "end", "taskId": "t", "function": "fail", "priority": null, "ok": false}),
            refused("hello", json!(0), 400),
            refused("nope", json!(null), 404),
        ]
    );
}

#[tokio::test]
async fn a_run_is_written_down_before_it_ends() {
    let ledger = Ledger::new();
    let worker = start_with(WorkerOptions { ledger: Some(ledger.path()), ..options() }).await;
    let mut stream = worker.run(with(call("countdown", json!({"from": 1, "ms": 200})), "mode", json!("stream"))).await;
    assert!(stream.chunk().await.unwrap().is_some());
    assert_eq!(ledger.tasks("start").len(), 1);
    assert_eq!(ledger.tasks("end").len(), 0);
    while stream.chunk().await.unwrap().is_some() {}
    assert_eq!(ledger.tasks("end").len(), 1);
}
