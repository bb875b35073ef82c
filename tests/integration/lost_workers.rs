//! Workers that die, and workers that cannot be reached.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Say, StubWorker, TestApp, TestWorker, until, with};

#[tokio::test]
async fn tasks_of_a_killed_worker_run_elsewhere_at_once() {
    let mut dying = TestWorker::start(&["--slots", "4"]).await;
    let other = TestWorker::start(&["--slots", "4"]).await;
    // With a backoff like this nothing but "at once" passes in time.
    let env = [("TASK_ATTEMPTS", "2"), ("TASK_BACKOFF", "600000"), ("TASK_BACKOFF_MAX", "600000")];
    let app = TestApp::start_with(&[&dying, &other], &env).await;
    let clients: Vec<_> = (0..8).map(|_| app.spawn(&TestApp::call("sleep", &json!({ "ms": 800 })))).collect();
    dying.has_started(4).await;
    other.has_started(4).await;
    let killed = Instant::now();
    dying.kill().await;
    for client in clients {
        let answer = client.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    assert_eq!(other.started(), 8);
    let task = app.shown(&dying.order()[0]).await;
    let outcomes: Vec<_> = task["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["outcome"]).collect();
    assert_eq!(outcomes, ["disconnected", "completed"]);
    let why = &task["attempts"][1]["why"];
    assert_eq!((&why["leftOut"], &why["candidates"], &why["rank"]), (&json!(dying.url), &json!(1), &json!(1)));
}

#[tokio::test]
async fn under_load_the_death_of_a_worker_and_its_return_lose_no_task() {
    let mut dying = TestWorker::start(&["--slots", "4"]).await;
    let other = TestWorker::start(&["--slots", "4"]).await;
    let app = TestApp::start_with(&[&dying, &other], &[("TASK_ATTEMPTS", "2")]).await;
    let task = TestApp::call("sleep", &json!({ "ms": 20 }));
    let load = join_all((0..8).map(|_| async {
        for _ in 0..60 {
            let answer = app.submit(&task).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }));
    let death = async {
        dying.has_started(40).await;
        dying.kill().await;
        let (killed, ran) = (dying.started(), other.started());
        other.has_started(ran + 40).await;
        let again = TestWorker::start_on(dying.port(), &["--slots", "4"]).await;
        again.has_started(20).await;
        (killed, again)
    };
    let (_, (killed, again)) = tokio::join!(load, death);
    let runs = killed + other.started() + again.started();
    assert!((480..=484).contains(&runs), "{runs} runs of 480 tasks");
}

#[tokio::test]
async fn a_task_with_one_attempt_waits_for_its_dead_worker_to_come_back() {
    let mut worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    worker.kill().await;
    let hello = with(TestApp::call("hello", &json!({})), json!({ "options": { "attempts": 1 } }));
    let task = app.accept(&hello).await;
    let sync = app.spawn(&hello);
    app.waiting("default", 2).await;
    let worker = TestWorker::start_on(worker.port(), &[]).await;
    assert_eq!(app.ended(&task).await["state"], "completed");
    assert_eq!(sync.await.unwrap().status, 200);
    assert_eq!(worker.started(), 2);
}

#[tokio::test]
async fn a_connection_that_never_opened_uses_no_attempt() {
    let script = [Say::Json(200, json!({ "success": true }))];
    let worker = StubWorker::start(2, &script).await;
    // Nobody but the delivery itself finds out that the worker is gone.
    let app = TestApp::start_for(&[&worker.url], &[("WORKER_DISCOVERY_INTERVAL", "2000")]).await;
    app.ready(1).await;
    let (url, port) = (worker.url.clone(), worker.port().to_owned());
    drop(worker);
    let hello = with(TestApp::call("hello", &json!({})), json!({ "options": { "attempts": 1 } }));
    let task = app.accept(&hello).await;
    until("the claim is given back", || async { app.metric("andera_lb_claims_returned_total").await > 0 }).await;
    app.sees(&url, "unreachable").await;
    let shown = app.shown(&task).await;
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("queued"), &json!([])));

    let worker = StubWorker::start_on(&port, 2, &script, json!({})).await;
    let ended = app.ended(&task).await;
    assert_eq!((&ended["state"], &ended["attempts"][0]["n"]), (&json!("completed"), &json!(1)));
    assert_eq!(worker.requests(), 1);
}
