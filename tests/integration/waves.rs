//! Tasks wait for a slot, in order, each lane for itself.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Say, StubWorker, TestApp, TestWorker, with};

#[tokio::test]
async fn thirty_tasks_on_ten_slots_run_in_three_waves() {
    let worker = TestWorker::start(&["--slots", "10"]).await;
    let idle = TestWorker::start(&["--group", "idle"]).await;
    let app = TestApp::start(&[&worker, &idle]).await;
    let began = Instant::now();
    let task = TestApp::call("sleep", &json!({ "ms": 1000 }));
    let answers = join_all((0..30).map(|_| app.submit(&task))).await;
    let took = began.elapsed();
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!((worker.started(), worker.peak(), idle.started()), (30, 10, 0));
    assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn a_worker_is_never_given_more_than_its_slots() {
    let worker = StubWorker::start(3, &[Say::Later(Duration::from_millis(20))]).await;
    let app = TestApp::start_for(&[&worker.url], &[]).await;
    app.ready(1).await;
    let task = TestApp::call("hello", &json!({}));
    let answers = join_all((0..60).map(|_| app.submit(&task))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!((worker.requests(), worker.peak()), (60, 3));
}

#[tokio::test]
async fn waiting_tasks_run_by_priority_and_those_without_one_first() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start(&[&worker]).await;
    let blocker = app.accept(&TestApp::call("sleep", &json!({ "ms": 1000 }))).await;
    worker.has_started(1).await;
    let mut ids = Vec::new();
    for priority in [json!(100), json!(5), json!(null), json!(1), json!(5)] {
        ids.push(app.accept(&with(TestApp::call("hello", &json!({})), json!({ "priority": priority }))).await);
    }
    assert_eq!(worker.started(), 1, "all of them wait");
    for id in &ids {
        assert_eq!(app.ended(id).await["state"], "completed");
    }
    assert_eq!(worker.order(), [&blocker, &ids[2], &ids[3], &ids[1], &ids[4], &ids[0]].map(String::clone));
}

#[tokio::test]
async fn no_lane_delays_another() {
    let flooded = TestWorker::start(&["--group", "flooded", "--slots", "1"]).await;
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&flooded, &worker]).await;
    let mut flood = TestApp::call("sleep", &json!({ "ms": 100 }));
    for group in ["flooded", "nobody"] {
        flood["group"] = group.into();
        join_all((0..150).map(|_| app.accept(&flood))).await;
    }
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
    }
    let took = began.elapsed();
    assert!(flooded.started() < 150, "the flood is still there");
    assert_eq!(app.metric("andera_lb_lane_queued{group=\"nobody\",contract=\"1\"}").await, 150);
    assert!(took < Duration::from_secs(3), "{took:?}");
}
