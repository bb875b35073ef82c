//! One balancer.

use serde_json::json;

use super::{balancer, hello, sleep};
use crate::harness::{LB_KEY, Recorder, Redis, TestApp, TestWorker, WORKER_KEY, with};

#[tokio::test]
async fn a_task_of_every_mode_reaches_its_worker_and_its_result_its_client() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[]).await;
    let answer = app.submit(&hello(json!({}))).await;
    assert_eq!((answer.status, &answer.json()["result"]["message"]), (200, &json!("Hello Andera!")));

    let task = app.ended(&app.accept(&hello(json!({}))).await).await;
    assert_eq!((&task["state"], &task["result"]["result"]["message"]), (&json!("completed"), &json!("Hello Andera!")));

    let countdown = TestApp::call("countdown", &json!({ "from": 3, "ms": 5 }));
    assert_eq!(app.submit(&with(countdown, json!({ "mode": "stream" }))).await.text(), "3\n2\n1\n0\n");

    let receiver = Recorder::start().await;
    let answer = app.submit(&hello(json!({ "mode": "webhook", "webhook": { "url": receiver.url } }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(receiver.first().await.json()["result"]["message"], "Hello Andera!");
    assert_eq!(app.ended(&answer.task_id()).await["state"], "completed");
}

#[tokio::test]
async fn a_failing_function_is_run_again_and_every_attempt_is_shown() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[]).await;
    let answer = app.submit(&TestApp::call("fail", &json!({ "times": 2 }))).await;
    assert_eq!((answer.status, &answer.json()["result"]["calls"]), (200, &json!(3)));
    let task = app.shown(&answer.task_id()).await;
    let outcomes: Vec<_> = task["attempts"].as_array().unwrap().iter().map(|run| run["outcome"].clone()).collect();
    assert_eq!(outcomes, ["failed", "failed", "completed"]);
}

#[tokio::test]
async fn waiting_and_running_tasks_are_cancelled() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "1"]).await);
    let app = balancer(&redis, &[&worker], &[]).await;
    let running = app.accept(&sleep(60_000)).await;
    worker.has_started(1).await;
    let waiting = app.accept(&sleep(0)).await;
    for id in [waiting, running] {
        app.request("DELETE", &format!("/tasks/{id}")).send().await.unwrap();
        assert_eq!(app.ended(&id).await["state"], "cancelled");
    }
    assert_eq!(worker.started(), 1);
}

#[tokio::test]
async fn what_waits_outlives_the_balancer() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let mut app = TestApp::start_for(&[], &redis.env(&[])).await;
    let id = app.accept(&hello(json!({}))).await;
    app.kill().await;
    app.list(&[&worker.url]);
    app.restart().await;
    assert_eq!(app.ended(&id).await["state"], "completed");
}

#[tokio::test]
async fn no_key_is_readable_in_redis() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[]).await;
    app.submit(&hello(json!({}))).await;
    let log = redis.log();
    let holds = |text: &str| log.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("Andera"), "what is sent is there");
    assert!(!holds(WORKER_KEY) && !holds(LB_KEY));
}

#[tokio::test]
async fn a_redis_that_may_drop_tasks_is_warned_of() {
    let redis = Redis::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let app = TestApp::start_for(&[], &redis.env(&[])).await;
    app.prints("maxmemory-policy should be noeviction").await;
}
