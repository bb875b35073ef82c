//! The worker's own queue.

use std::sync::Arc;

use andera_lb::sample_worker::WorkerOptions;
use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::ledger::Ledger;
use super::{call, options, start_with, with};

/// A webhook that takes a result only once it is opened: its task keeps its slot until then.
struct Gate {
    url: String,
    open: Arc<Semaphore>,
}

impl Gate {
    async fn new() -> Self {
        let open = Arc::new(Semaphore::new(0));
        let waiting = Arc::clone(&open);
        let take = async move || drop(waiting.acquire().await);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(take))).await });
        Self { url, open }
    }

    fn blocker(&self) -> Value {
        with(with(call("hello", json!({})), "mode", json!("webhook")), "webhook", json!({"url": self.url}))
    }

    fn open(&self) {
        self.open.add_permits(1);
    }
}

#[tokio::test]
async fn tasks_beyond_the_slots_run_by_priority_and_then_in_order() {
    let (ledger, gate) = (Ledger::new(), Gate::new().await);
    let worker = start_with(WorkerOptions { slots: 1, ledger: Some(ledger.path()), ..options() }).await;
    let mut answers = vec![worker.spawn("blocker", gate.blocker())];
    worker.wait_for(1, 0).await;
    for (queue, id, priority) in [
        (1, "100", Some(100)),
        (2, "5a", Some(5)),
        (3, "none a", None),
        (4, "5b", Some(5)),
        (5, "1", Some(1)),
        (6, "none b", None),
    ] {
        let body = call("hello", json!({}));
        let body = priority.map_or(body.clone(), |priority| with(body, "priority", json!(priority)));
        answers.push(worker.spawn(id, body));
        worker.wait_for(1, queue).await;
    }
    gate.open();
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    assert_eq!(ledger.tasks("start"), ["blocker", "none a", "none b", "1", "5a", "5b", "100"]);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_waiting_task_along_but_not_a_running_one() {
    let (ledger, gate) = (Ledger::new(), Gate::new().await);
    let worker = start_with(WorkerOptions { slots: 1, ledger: Some(ledger.path()), ..options() }).await;
    let running = worker.spawn("running", gate.blocker());
    worker.wait_for(1, 0).await;
    let waiting = worker.spawn("waiting", call("hello", json!({})));
    worker.wait_for(1, 1).await;

    waiting.abort();
    worker.wait_for(1, 0).await;
    running.abort();
    let last = worker.spawn("last", call("hello", json!({})));
    worker.wait_for(1, 1).await;
    gate.open();
    assert_eq!(last.await.unwrap().status(), 200);
    assert_eq!(ledger.tasks("start"), ["running", "last"]);
    assert_eq!(ledger.tasks("end"), ["running", "last"]);
}

#[tokio::test]
async fn a_stream_holds_its_slot_to_its_end_even_without_a_client() {
    let ledger = Ledger::new();
    let worker = start_with(WorkerOptions { slots: 1, ledger: Some(ledger.path()), ..options() }).await;
    let stream = with(call("countdown", json!({"from": 3, "ms": 100})), "mode", json!("stream"));
    drop(worker.spawn("stream", stream).await.unwrap());
    let next = worker.spawn("next", call("hello", json!({})));
    assert_eq!(next.await.unwrap().status(), 200);
    assert_eq!(ledger.lines("start", "stream")[0]["function"], "countdown");
    let ended = ledger.lines("end", "stream")[0]["at"].as_i64().unwrap();
    let started = ledger.lines("start", "stream")[0]["at"].as_i64().unwrap();
    assert!(ended - started >= 290, "{started} {ended}");
    assert!(ledger.lines("start", "next")[0]["at"].as_i64().unwrap() >= ended);
}

#[tokio::test]
async fn many_short_tasks_leave_no_slot_behind() {
    let worker = start_with(WorkerOptions { slots: 2, ..options() }).await;
    let answers: Vec<_> = (0..100)
        .map(|n| {
            let function = if n % 2 == 0 { "hello" } else { "fail" };
            worker.spawn(&n.to_string(), call(function, json!({})))
        })
        .collect();
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.await.unwrap().status(), if n % 2 == 0 { 200 } else { 500 });
    }
    worker.wait_for(0, 0).await;
}
