//! A Redis that goes away and comes back.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{balancer, hello, sleep};
use crate::harness::{Redis, TestApp, TestWorker, until};

async fn is(app: &TestApp, status: &str) {
    until(&format!("/health says {status}"), || async { app.get("/health").await.json()["status"] == status }).await;
}

/// Promised is a second; a busy machine may take another one.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_task_that_runs_meanwhile_is_settled_and_not_run_again() {
    let (mut redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[("LEASE_MS", "1000"), ("REDIS_WAIT", "100")]).await;
    let client = app.spawn(&sleep(2_000));
    worker.has_started(1).await;
    redis.kill().await;
    let killed = Instant::now();
    is(&app, "unreachable").await;
    assert!(killed.elapsed() < SOON, "{:?}", killed.elapsed());
    let refused = app.submit(&hello(json!({}))).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("queue_unavailable")));
    assert!(refused.header("retry-after").is_some());
    until("the run has ended, and its lease too", || async { worker.ledger().len() == 2 }).await;
    redis.restart().await;
    let answer = client.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    is(&app, "ready").await;
    let task = app.ended(&answer.task_id()).await;
    assert_eq!((&task["state"], &task["interruptions"]), (&json!("completed"), &json!(0)));
    assert_eq!(app.submit(&hello(json!({}))).await.status, 200);
    assert_eq!(worker.started(), 2);
}

#[tokio::test]
async fn a_new_task_waits_for_it() {
    let (mut redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[("REDIS_WAIT", "1m")]).await;
    redis.kill().await;
    is(&app, "unreachable").await;
    let client = app.spawn(&hello(json!({})));
    redis.restart().await;
    assert_eq!(client.await.unwrap().status, 200);
}

#[tokio::test]
async fn a_new_task_waits_for_so_long_and_no_longer() {
    let mut redis = Redis::start().await;
    let app = TestApp::start_for(&[], &redis.env(&[("REDIS_WAIT", "2s")])).await;
    is(&app, "ready").await;
    redis.kill().await;
    is(&app, "unreachable").await;
    let began = Instant::now();
    let refused = app.submit(&hello(json!({}))).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("queue_unavailable")));
    let waited = began.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn nobody_takes_over_what_others_ran_in_the_time_of_a_lease_after_it_is_back() {
    const LEASE: Duration = Duration::from_secs(3);
    let (mut redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let env = [("LEASE_MS", "3000")];
    let mut dying = balancer(&redis, &[&worker], &env).await;
    let other = balancer(&redis, &[&worker], &env).await;
    let id = dying.accept(&sleep(4_000)).await;
    worker.has_started(1).await;
    redis.kill().await;
    dying.kill().await;
    until("the lease has run out", || async { worker.ledger().len() == 2 }).await;
    let back = Instant::now();
    redis.restart().await;
    worker.has_started(2).await;
    assert!(back.elapsed() >= LEASE, "{:?}", back.elapsed());
    let task = other.ended(&id).await;
    assert_eq!((&task["state"], &task["interruptions"]), (&json!("completed"), &json!(1)));
}

#[tokio::test]
async fn a_client_whose_task_is_lost_is_told_so() {
    let mut redis = Redis::start().await;
    let env = [("NO_WORKER_TIMEOUT", "10m")];
    let app = TestApp::start_for(&[], &redis.env(&env)).await;
    let client = app.spawn(&hello(json!({})));
    app.waiting("default", 1).await;
    let id = app.get("/tasks").await.json()["tasks"][0]["taskId"].clone();
    redis.kill().await;
    redis.lose_everything();
    redis.restart().await;
    let back = Instant::now();
    let answer = client.await.unwrap();
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("queue_unavailable")), "{}", answer.text());
    assert_eq!(answer.json()["taskId"], id);
    assert!(answer.header("retry-after").is_some());
    assert!(back.elapsed() < Duration::from_secs(15), "{:?}", back.elapsed());
}

#[tokio::test]
async fn one_that_hangs_is_unreachable_until_it_goes_on() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[]).await;
    redis.signal("-STOP");
    let stopped = Instant::now();
    is(&app, "unreachable").await;
    assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
    let client = app.spawn(&hello(json!({})));
    redis.signal("-CONT");
    is(&app, "ready").await;
    assert_eq!(client.await.unwrap().status, 200);
}

#[tokio::test]
async fn one_that_comes_back_empty_is_told_of_and_used() {
    let (mut redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[]).await;
    app.submit(&hello(json!({}))).await;
    redis.kill().await;
    redis.lose_everything();
    redis.restart().await;
    app.prints("Redis has come back without what was stored in it").await;
    assert_eq!(app.submit(&hello(json!({}))).await.status, 200);
}

#[tokio::test]
async fn one_that_is_not_there_yet_is_waited_for() {
    let (mut redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    redis.kill().await;
    let app = balancer(&redis, &[&worker], &[]).await;
    is(&app, "unreachable").await;
    redis.restart().await;
    is(&app, "ready").await;
    assert_eq!(app.submit(&hello(json!({}))).await.status, 200);
}
