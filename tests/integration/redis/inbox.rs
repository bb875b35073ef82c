//! Jobs in the queue `tasks`, put there by the real `BullMQ`.

use serde_json::{Value, json};

use super::{LANE, add, balancer, has_ended, hello, ids, sleep};
use crate::harness::{Redis, TestApp, TestWorker, WORKER_KEY, until};

const INBOX: &str = "tasks";
const KEY: (&str, &str) = ("WORKER_AUTH_KEY", WORKER_KEY);

/// Adds jobs of these data and options; gives their ids.
async fn put(redis: &Redis, jobs: &[(Value, Value)]) -> Vec<String> {
    let jobs: Vec<_> = jobs.iter().map(|(data, options)| json!({ "data": data, "options": options })).collect();
    add(redis, INBOX, json!(jobs)).await
}

async fn job(redis: &Redis, state: &str, id: &str) -> Value {
    let jobs = redis.bullmq(INBOX, &["jobs", state]).await;
    let found = jobs.as_array().unwrap().iter().find(|job| job["id"] == *id);
    found.unwrap_or_else(|| panic!("no {state} job {id} in {jobs}")).clone()
}

#[tokio::test]
async fn its_producer_gets_the_result_or_the_error() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[KEY, ("TASK_ATTEMPTS", "1")]).await;
    let good = hello(json!({})).to_string();
    let bad = TestApp::call("fail", &json!({ "message": "out of paint" })).to_string();
    let big = TestApp::call("big", &json!({ "bytes": 200_000 })).to_string();
    let (good, bad, big) =
        (["run", good.as_str()], ["run", bad.as_str()], ["run", big.as_str(), r#"{"removeOnComplete":true}"#]);
    let (good, bad, big) =
        tokio::join!(redis.bullmq(INBOX, &good), redis.bullmq(INBOX, &bad), redis.bullmq(INBOX, &big));
    assert_eq!(good["result"], json!({ "success": true, "result": { "message": "Hello Andera!" } }));
    assert_eq!(bad, json!({ "error": "out of paint" }));
    assert!(big["result"].to_string().len() > 200_000, "a large result is whole");

    let counts = redis.bullmq(INBOX, &["counts"]).await;
    assert_eq!((&counts["completed"], &counts["failed"]), (&json!(1), &json!(1)), "{counts}");
    assert_eq!(counts["waiting-children"], 0);
    let tasks = app.get("/tasks").await.json();
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 3, "each is a task like any other: {tasks}");
    assert_eq!(redis.bullmq(LANE, &["counts"]).await["completed"], 2);
}

#[tokio::test]
async fn a_job_waits_for_its_task_as_a_parent_for_its_child() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[KEY]).await;
    let id = put(&redis, &[(sleep(60_000), json!({ "priority": 7 }))]).await.remove(0);
    worker.has_started(1).await;
    let task = worker.order().remove(0);
    assert_eq!(redis.bullmq(INBOX, &["state", &id]).await, "waiting-children");
    let children = redis.bullmq(INBOX, &["children", &id]).await;
    assert_eq!(children["unprocessed"], json!([format!("bull:{LANE}:{task}")]));
    assert_eq!(app.shown(&task).await["priority"], 7);
    app.request("DELETE", &format!("/tasks/{task}")).send().await.unwrap();
    has_ended(&redis, INBOX, &id).await;
    assert_eq!(job(&redis, "failed", &id).await["failedReason"], "cancelled");
}

#[tokio::test]
async fn a_job_that_cannot_be_run_fails_with_its_reason_and_can_be_retried() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let keys = r#"{"other":"key"}"#;
    let mut app = balancer(&redis, &[&worker], &[("WORKER_AUTH_KEYS", keys)]).await;
    redis.command(&["HSET", "bull:tasks:broken", "name", "task", "data", "{\"group\":", "opts", "{}"]).await;
    redis.command(&["LPUSH", "bull:tasks:wait", "broken"]).await;
    let bad = [json!("text"), json!({ "group": "default", "contract": 1 }), hello(json!({ "mode": "stream" }))];
    let bad: Vec<_> = bad.into_iter().chain([hello(json!({}))]).map(|data| (data, json!({}))).collect();
    let ids = put(&redis, &bad).await;
    for id in &ids {
        has_ended(&redis, INBOX, id).await;
    }
    let reason = redis.command(&["HGET", "bull:tasks:broken", "failedReason"]).await.unwrap();
    assert!(reason.contains("not a JSON object"), "{reason}");
    // BullMQ itself cannot list it.
    assert_eq!(redis.command(&["ZREM", "bull:tasks:failed", "broken"]).await.as_deref(), Some("1"));
    for (id, reason) in [
        (&ids[0], "not a JSON object"),
        (&ids[1], "Missing group, function, or contract"),
        (&ids[2], "mode stream is not possible"),
        (&ids[3], "no key for the workers of group \"default\""),
    ] {
        let failed = job(&redis, "failed", id).await;
        assert!(failed["failedReason"].as_str().unwrap().contains(reason), "{reason}: {failed}");
    }
    assert_eq!(worker.started(), 0);

    let keys = format!(r#"{{"default":"{WORKER_KEY}"}}"#);
    app.restart_with(&redis.env(&[("WORKER_AUTH_KEYS", &keys)])).await;
    redis.bullmq(INBOX, &["retry", &ids[3]]).await;
    has_ended(&redis, INBOX, &ids[3]).await;
    assert_eq!(job(&redis, "completed", &ids[3]).await["returnvalue"]["result"]["message"], "Hello Andera!");
}

#[tokio::test]
async fn what_was_left_there_before_runs_also_that_of_an_older_version() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "1"]).await);
    let lost = put(&redis, &[(hello(json!({})), json!({}))]).await;
    assert_eq!(redis.bullmq(INBOX, &["take"]).await, lost[0], "a worker has died with it");
    let later = json!({ "data": hello(json!({})), "options": { "delay": 500 } });
    let plain = json!({ "data": hello(json!({})) });
    let second = json!({ "data": hello(json!({})), "options": { "priority": 3 } });
    let left = redis.bullmq4(INBOX, &["add", &json!([later, second, plain]).to_string()]).await;
    let _app = balancer(&redis, &[&worker], &[KEY]).await;
    for id in lost.iter().chain(&ids(&left)) {
        has_ended(&redis, INBOX, id).await;
    }
    assert_eq!(redis.bullmq4(INBOX, &["counts"]).await["completed"], 4);
    assert_eq!(worker.started(), 4);
}

#[tokio::test]
async fn several_balancers_take_each_job_once_also_when_the_one_that_reads_goes() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "5"]).await);
    let mut apps = Vec::new();
    for _ in 0..3 {
        apps.push(balancer(&redis, &[&worker], &[KEY]).await);
    }
    let jobs: Vec<_> = (0..150).map(|_| (hello(json!({})), json!({}))).collect();
    for completed in [150, 300] {
        put(&redis, &jobs).await;
        until("all have ended", || async { redis.bullmq(INBOX, &["counts"]).await["completed"] == completed }).await;
        // The first to come is the one that reads.
        apps.remove(0);
    }
    assert_eq!(worker.started(), 300);
}

#[tokio::test]
async fn jobs_wait_while_the_queue_is_full_or_the_inbox_paused() {
    let redis = Redis::start().await;
    let env = [KEY, ("MAX_QUEUED_TASKS", "2")];
    let mut app = TestApp::start_for(&[], &redis.env(&env)).await;
    let jobs: Vec<_> = (0..3).map(|_| (hello(json!({})), json!({}))).collect();
    put(&redis, &jobs).await;
    app.waiting("default", 2).await;
    assert_eq!(redis.bullmq(INBOX, &["counts"]).await["waiting"], 1);
    redis.bullmq(INBOX, &["pause"]).await;
    let worker = TestWorker::start(&[]).await;
    app.list(&[&worker.url]);
    worker.has_started(2).await;
    app.restart_with(&redis.env(&env)).await;
    assert_eq!(redis.bullmq(INBOX, &["counts"]).await["completed"], 2);
    redis.bullmq(INBOX, &["resume"]).await;
    worker.has_started(3).await;
}

#[tokio::test]
async fn the_key_of_the_workers_is_not_in_redis() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--auth-key", "recognisable-7f3a"]).await);
    let _app = balancer(&redis, &[&worker], &[("WORKER_AUTH_KEY", "recognisable-7f3a")]).await;
    let ran = redis.bullmq(INBOX, &["run", &hello(json!({})).to_string()]).await;
    assert_eq!(ran["result"]["result"]["message"], "Hello Andera!", "{ran}");
    let log = redis.log();
    assert!(!log.windows(17).any(|window| window == b"recognisable-7f3a"));
}
