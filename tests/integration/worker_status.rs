//! What the balancer makes of what workers say and do.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Say, StubWorker, TestApp, TestWorker, until};

#[tokio::test]
async fn maintenance_is_seen_at_once_and_tasks_go_elsewhere_until_it_is_over() {
    let [resting, other] = [TestWorker::start(&[]).await, TestWorker::start(&[]).await];
    // The heartbeat alone would take its time.
    let slow = [("WORKER_DISCOVERY_INTERVAL", "60000"), ("WS_HEARTBEAT_INTERVAL", "60000")];
    let app = TestApp::start_with(&[&resting, &other], &slow).await;
    let hello = TestApp::call("hello", &json!({}));
    let switched = Instant::now();
    resting.switch("/off").await;
    app.sees(&resting.url, "maintenance").await;
    assert!(switched.elapsed() < Duration::from_secs(3), "{:?}", switched.elapsed());
    let answers = join_all((0..20).map(|_| app.submit(&hello))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((resting.ledger().len(), other.started()), (0, 20));
    resting.switch("/on").await;
    app.sees(&resting.url, "ready").await;
    join_all((0..20).map(|_| app.submit(&hello))).await;
    assert!(resting.started() > 0);
}

#[tokio::test]
async fn the_worker_whose_contract_differs_from_the_majority_gets_no_task() {
    let odd = StubWorker::start(10, &[Say::Json(200, json!({ "success": true }))]).await;
    let [first, second] = [TestWorker::start(&[]).await, TestWorker::start(&[]).await];
    let app = TestApp::start_for(&[&odd.url, &first.url, &second.url], &[]).await;
    until("one contract is invalid", || async {
        let health = app.get("/health").await.json();
        health["invalidWorkers"].as_array().unwrap().iter().any(|worker| worker["url"] == odd.url)
            && health["workers"].as_array().unwrap().iter().filter(|worker| worker["status"] == "ready").count() == 2
    })
    .await;
    let health = app.get("/health").await.json();
    let invalid = &health["invalidWorkers"][0];
    assert_eq!((&invalid["contractValid"], health["invalidWorkers"].as_array().unwrap().len()), (&json!(false), 1));
    assert!(invalid["contractMismatchReason"].as_str().is_some_and(|reason| !reason.is_empty()));
    let hello = TestApp::call("hello", &json!({}));
    join_all((0..30).map(|_| app.submit(&hello))).await;
    assert_eq!((odd.requests(), first.started() + second.started()), (0, 30));
}

#[tokio::test]
async fn a_worker_with_another_balancer_key_is_shown_as_unauthorized() {
    let stranger = TestWorker::start(&["--lb-auth-key", "of-another-balancer"]).await;
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_for(&[&stranger.url, &worker.url], &[]).await;
    app.sees(&stranger.url, "unauthorized").await;
    app.sees(&worker.url, "ready").await;
    let shown = app.worker(&stranger.url).await;
    assert!(shown["statusReason"].as_str().unwrap().contains("key"), "{shown}");
    assert!(shown["group"].is_null());
    let hello = TestApp::call("hello", &json!({}));
    join_all((0..20).map(|_| app.submit(&hello))).await;
    assert_eq!((stranger.ledger().len(), worker.started()), (0, 20));
}

#[tokio::test]
async fn a_worker_that_falls_silent_is_offline_until_it_speaks_again() {
    let [silent, other] = [TestWorker::start(&[]).await, TestWorker::start(&[]).await];
    let env =
        [("WS_HEARTBEAT_TIMEOUT", "1000"), ("WORKER_DISCOVERY_TIMEOUT", "1000"), ("WORKER_DISCOVERY_RETRIES", "99")];
    let app = TestApp::start_with(&[&silent, &other], &env).await;
    silent.signal("-STOP");
    until("it is out", || async { app.worker(&silent.url).await["status"] != "ready" }).await;
    let before = other.started();
    let hello = TestApp::call("hello", &json!({}));
    let answers = join_all((0..20).map(|_| app.submit(&hello))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(other.started(), before + 20);
    silent.signal("-CONT");
    app.sees(&silent.url, "ready").await;
}

#[tokio::test]
async fn slots_taken_by_others_are_left_to_them() {
    let worker = TestWorker::start(&["--slots", "4"]).await;
    let app = TestApp::start(&[&worker]).await;
    let foreign = TestApp::call("sleep", &json!({ "ms": 1500 }));
    let others: Vec<_> = (0..3).map(|_| worker.spawn_past_the_balancer(&foreign)).collect();
    until("their tasks are seen", || async { app.worker(&worker.url).await["slots"]["used"] == 3 }).await;
    let sleep = TestApp::call("sleep", &json!({ "ms": 2000 }));
    let ours: Vec<_> = (0..3).map(|_| app.spawn(&sleep)).collect();
    // One of ours runs; the others wait here and not in the worker.
    app.waiting("default", 2).await;
    worker.has_started(4).await;
    until("the worker is full", || async { app.worker(&worker.url).await["slots"]["used"] == 4 }).await;
    assert_eq!(app.worker(&worker.url).await["slots"]["queue"], 0);
    for task in ours.into_iter().chain(others) {
        assert_eq!(task.await.unwrap().status, 200);
    }
    assert!(worker.time_of("start", 4) >= worker.time_of("end", 0));
}
