//! A Redis that goes away and comes back.

use serde_json::json;

use super::{balancer, hello, sleep};
use crate::harness::{Redis, TestApp, TestWorker, until};

async fn is(app: &TestApp, status: &str) {
    until(&format!("/health says {status}"), || async { app.get("/health").await.json()["status"] == status }).await;
}

#[tokio::test]
async fn a_task_that_runs_meanwhile_is_settled_and_not_run_again() {
    let (mut redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[("LEASE_MS", "1000"), ("REDIS_WAIT", "100")]).await;
    let client = app.spawn(&sleep(2_000));
    worker.has_started(1).await;
    redis.kill().await;
    is(&app, "unreachable").await;
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
async fn one_that_hangs_is_unreachable_until_it_goes_on() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[]).await;
    redis.signal("-STOP");
    is(&app, "unreachable").await;
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
