//! Beside the real `BullMQ`.

use serde_json::{Value, json};

use super::{LANE, balancer, hello, sleep};
use crate::harness::{Redis, TestApp, TestWorker, until, with};

fn prioritized(priority: u32) -> Value {
    hello(json!({ "priority": priority }))
}

#[tokio::test]
async fn its_tools_see_every_task_where_it_is() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "1"]).await);
    let app = balancer(&redis, &[&worker], &[("TASK_ATTEMPTS", "1")]).await;
    let done = app.submit(&hello(json!({}))).await.task_id();
    app.submit(&TestApp::call("fail", &json!({ "message": "out of paint" }))).await;
    app.accept(&sleep(60_000)).await;
    worker.has_started(3).await;
    app.accept(&hello(json!({}))).await;
    app.accept(&prioritized(3)).await;
    app.accept(&hello(json!({ "options": { "delayMs": 3_600_000 } }))).await;
    let cancelled = app.accept(&hello(json!({}))).await;
    app.request("DELETE", &format!("/tasks/{cancelled}")).send().await.unwrap();

    let counts = redis.bullmq(LANE, &["counts"]).await;
    for (state, count) in
        [("waiting", 1), ("prioritized", 1), ("delayed", 1), ("active", 1), ("completed", 1), ("failed", 2)]
    {
        assert_eq!(counts[state], count, "{state} in {counts}");
    }
    let completed = &redis.bullmq(LANE, &["jobs", "completed"]).await[0];
    assert_eq!((&completed["id"], &completed["name"]), (&json!(done), &json!("hello")));
    assert_eq!(completed["data"]["input"], json!({ "name": "Andera" }), "the client's own JSON");
    assert_eq!(completed["returnvalue"]["result"]["message"], "Hello Andera!", "encoded once");
    assert_eq!(completed["attemptsMade"], 1);
    let failed = redis.bullmq(LANE, &["jobs", "failed"]).await;
    let reasons: Vec<_> = failed.as_array().unwrap().iter().map(|job| job["failedReason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"cancelled") && reasons.contains(&"out of paint"), "{failed}");
    for (state, known) in
        [("active", "active"), ("wait", "waiting"), ("prioritized", "prioritized"), ("delayed", "delayed")]
    {
        let id = redis.bullmq(LANE, &["jobs", state]).await[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(redis.bullmq(LANE, &["state", &id]).await, known);
    }
    assert_eq!(redis.bullmq4(LANE, &["counts"]).await["failed"], 2, "an older version reads it too");
}

#[tokio::test]
async fn its_events_tell_a_tasks_life_and_its_producers_wait_for_the_end() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[]).await;
    let id = app.accept(&hello(json!({ "options": { "delayMs": 2_000 } }))).await;
    let (waits, hears) = (["await", &id], ["events", &id]);
    let (ended, events) = tokio::join!(redis.bullmq(LANE, &waits), redis.bullmq(LANE, &hears));
    assert_eq!(ended["result"]["result"]["message"], "Hello Andera!", "{ended}");
    assert_eq!(events, json!(["added", "delayed", "waiting", "active", "completed"]));
}

#[tokio::test]
async fn a_task_it_retries_or_promotes_runs_here() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[("TASK_ATTEMPTS", "1")]).await;
    let id = app.submit(&TestApp::call("fail", &json!({ "times": 1 }))).await.task_id();
    assert_eq!(app.shown(&id).await["state"], "failed");
    redis.bullmq(LANE, &["retry", &id]).await;
    until("it has run again", || async { app.shown(&id).await["state"] == "completed" }).await;
    assert_eq!(app.shown(&id).await["attempts"].as_array().unwrap().len(), 2);

    let delayed = app.accept(&hello(json!({ "options": { "delayMs": 3_600_000 } }))).await;
    redis.bullmq(LANE, &["promote", &delayed]).await;
    assert_eq!(app.ended(&delayed).await["state"], "completed");
}

#[tokio::test]
async fn it_pauses_resumes_and_reorders() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "1"]).await);
    let app = balancer(&redis, &[&worker], &[]).await;
    redis.bullmq(LANE, &["pause"]).await;
    let [first, second, third] =
        [app.accept(&prioritized(5)).await, app.accept(&prioritized(6)).await, app.accept(&prioritized(7)).await];
    assert_eq!(app.get("/lanes").await.json()[0]["paused"], true);
    redis.bullmq(LANE, &["priority", &third, "1"]).await;
    redis.bullmq(LANE, &["remove", &second]).await;
    assert_eq!(app.get(&format!("/tasks/{second}")).await.status, 404);
    assert_eq!(worker.started(), 0);
    redis.bullmq(LANE, &["resume"]).await;
    worker.has_started(2).await;
    assert_eq!(worker.order(), [third, first]);

    app.request("POST", "/lanes/default/1/pause").send().await.unwrap();
    assert_eq!(redis.bullmq(LANE, &["isPaused"]).await, true);
}

#[tokio::test]
async fn a_lane_that_an_older_version_paused_is_resumed_with_its_tasks() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "1"]).await);
    let app = TestApp::start_for(&[], &redis.env(&[])).await;
    let waiting = [app.accept(&hello(json!({}))).await, app.accept(&hello(json!({}))).await];
    redis.bullmq4(LANE, &["pause"]).await;
    app.waiting("default", 2).await;
    app.list(&[&worker.url]);
    app.request("POST", "/lanes/default/1/resume").send().await.unwrap();
    for id in &waiting {
        assert_eq!(app.ended(id).await["state"], "completed");
    }
    assert_eq!(worker.order(), waiting);
}

/// The one difference: here a promoted task keeps its place.
#[tokio::test]
async fn a_task_that_it_promotes_goes_to_the_back() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "1"]).await);
    let app = TestApp::start_for(&[], &redis.env(&[])).await;
    let later = hello(json!({ "options": { "delayMs": 3_600_000 } }));
    let (theirs, ours) = (app.accept(&later).await, app.accept(&later).await);
    let waits = app.accept(&hello(json!({}))).await;
    redis.bullmq(LANE, &["promote", &theirs]).await;
    app.request("POST", &format!("/tasks/{ours}/promote")).send().await.unwrap();
    app.list(&[&worker.url]);
    worker.has_started(3).await;
    assert_eq!(worker.order(), [ours, waits, theirs]);
}

#[tokio::test]
async fn a_worker_of_its_own_runs_a_task_and_the_client_gets_its_result() {
    let redis = Redis::start().await;
    let app = TestApp::start_for(&[], &redis.env(&[("NO_WORKER_TIMEOUT", "1m")])).await;
    let client = app.spawn(&with(hello(json!({})), json!({ "input": 7 })));
    let ran = redis.bullmq(LANE, &["work"]).await;
    let answer = client.await.unwrap();
    assert_eq!((answer.status, answer.json()), (200, json!({ "ranInNode": "hello", "input": 7 })));
    let task = app.shown(ran.as_str().unwrap()).await;
    assert_eq!((&task["state"], &task["result"]["ranInNode"]), (&json!("completed"), &json!("hello")));
}
