//! How long clients and tasks wait.

use std::time::{Duration, Instant};

use andera_lb::dispatch::{Accepted, Reply, Submission};
use andera_lb::task::{ErrorCode, TaskRequest, TaskState, WorkerKey};
use serde_json::{Value, json};

use crate::harness::one_slot::{GROUP, OneSlot};
use crate::harness::{TestApp, TestWorker, with};

fn limited(millis: u64) -> Value {
    let options = json!({ "options": { "timeoutMs": millis, "attempts": 2 } });
    with(TestApp::call("sleep", &json!({ "ms": 60_000 })), options)
}

#[tokio::test]
async fn a_sync_task_that_runs_too_long_is_a_504_and_not_retried() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let answer = app.submit(&limited(300)).await;
    assert_eq!((answer.status, &answer.json()["code"]), (504, &json!("timeout")));
    let task = app.ended(&answer.task_id()).await;
    assert_eq!((&task["state"], &task["code"]), (&json!("failed"), &json!("timeout")));
    assert_eq!(task["attempts"][0]["outcome"], "timed_out");
    assert_eq!((task["attempts"].as_array().unwrap().len(), worker.started()), (1, 1));
}

#[tokio::test]
async fn a_sync_task_that_waits_too_long_is_a_504_and_cancelled() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start(&[&worker]).await;
    app.accept(&TestApp::call("sleep", &json!({ "ms": 60_000 }))).await;
    worker.has_started(1).await;
    let began = Instant::now();
    let answer = app.submit(&limited(300)).await;
    assert_eq!((answer.status, &answer.json()["code"]), (504, &json!("timeout")));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let task = app.shown(&answer.task_id()).await;
    assert_eq!(
        [&task["state"], &task["code"], &task["attempts"]],
        [&json!("cancelled"), &json!("timeout"), &json!([])]
    );
    app.waiting("default", 0).await;
}

#[tokio::test]
async fn an_async_task_whose_attempt_times_out_is_run_again() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let task = app.ended(&app.accept(&limited(200)).await).await;
    assert_eq!((&task["state"], &task["code"]), (&json!("failed"), &json!("timeout")));
    let outcomes: Vec<_> = task["attempts"].as_array().unwrap().iter().map(|run| &run["outcome"]).collect();
    assert_eq!(outcomes, ["timed_out", "timed_out"]);
    assert_eq!(worker.started(), 2);
}

#[tokio::test]
async fn without_a_worker_clients_are_told_and_async_tasks_wait() {
    let app = TestApp::start_for(&[], &[("NO_WORKER_TIMEOUT", "300")]).await;
    let hello = TestApp::call("hello", &json!({}));
    let task = app.accept(&hello).await;
    for mode in ["sync", "stream"] {
        let answer = app.submit(&with(hello.clone(), json!({ "mode": mode }))).await;
        assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("no_worker")), "{mode}");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(app.shown(&answer.task_id()).await["state"], "failed");
    }
    assert_eq!(app.shown(&task).await["state"], "queued");
    let worker = TestWorker::start(&[]).await;
    app.list(&[&worker.url]);
    assert_eq!(app.ended(&task).await["state"], "completed");
    assert_eq!(app.submit(&hello).await.status, 200);
}

#[tokio::test]
async fn a_worker_that_comes_in_time_gets_the_task_that_waited() {
    let app = TestApp::start_for(&[], &[("NO_WORKER_TIMEOUT", "30000")]).await;
    let client = app.spawn(&TestApp::call("hello", &json!({})));
    app.waiting("default", 1).await;
    let worker = TestWorker::start(&[]).await;
    app.list(&[&worker.url]);
    assert_eq!(client.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_client_whose_only_worker_died_is_told_that_there_is_none() {
    let mut worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("NO_WORKER_TIMEOUT", "500")]).await;
    let client = app.spawn(&TestApp::call("sleep", &json!({ "ms": 60_000 })));
    worker.has_started(1).await;
    worker.kill().await;
    let answer = tokio::time::timeout(Duration::from_secs(10), client).await.expect("an answer").unwrap();
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("no_worker")));
}

#[tokio::test]
async fn an_async_task_expires() {
    let app = TestApp::start_for(&[], &[("QUEUE_TTL", "1s")]).await;
    let id = app.accept(&TestApp::call("hello", &json!({}))).await;
    let task = app.ended(&id).await;
    assert_eq!((&task["state"], &task["code"]), (&json!("failed"), &json!("expired")));
    app.waiting("default", 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_submission_begins_an_older_task_keeps_to_its_own_deadline() {
    let bench = OneSlot::new();
    let older = bench.stored(WorkerKey::new("k"), |_| {}).await;
    bench.is_kept(older);
    let options = json!({ "timeoutMs": 2_000 });
    let body =
        json!({ "group": GROUP, "function": "f", "contract": 1, "mode": "sync", "options": options }).to_string();
    let request = TaskRequest::parse(body.into()).unwrap();
    let submission = Submission { request, worker_key: WorkerKey::new("k"), idempotency: None };
    let began = tokio::time::Instant::now();
    let accepted = bench.dispatcher.submit(submission).await.unwrap();
    let Accepted::Replied(id, Reply::Refused(refusal)) = accepted else { panic!("{accepted:?}") };
    assert_eq!((refusal.code, began.elapsed().as_secs()), (ErrorCode::Timeout, 2));
    assert_eq!(bench.delivered(), [older], "it went first, and runs on");
    assert_eq!(bench.queue.get(older).await.unwrap().unwrap().state, TaskState::Running);
    assert_eq!(bench.queue.get(id).await.unwrap().unwrap().state, TaskState::Cancelled);
}
