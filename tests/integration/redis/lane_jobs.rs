//! Jobs that the real `BullMQ` adds to a lane.

use std::collections::HashSet;

use serde_json::json;

use super::{LANE, add, balancer, has_ended, hello, sleep};
use crate::harness::{Redis, TestApp, TestWorker, WORKER_KEY, until};

const KEY: (&str, &str) = ("WORKER_AUTH_KEY", WORKER_KEY);

#[tokio::test]
async fn its_producer_gets_the_result_or_the_error_also_of_a_lane_that_has_had_no_task() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[KEY, ("TASK_ATTEMPTS", "1")]).await;
    let short = ["run", r#"{"input":{"name":"Andera"}}"#, "{}", "hello"];
    let bad = TestApp::call("fail", &json!({ "message": "out of paint" })).to_string();
    let big = TestApp::call("big", &json!({ "bytes": 200_000 })).to_string();
    let (bad, big) = (["run", bad.as_str()], ["run", big.as_str(), r#"{"removeOnComplete":true}"#]);
    let (short, bad, big) =
        tokio::join!(redis.bullmq(LANE, &short), redis.bullmq(LANE, &bad), redis.bullmq4(LANE, &big));
    assert_eq!(short["result"], json!({ "success": true, "result": { "message": "Hello Andera!" } }), "{short}");
    assert_eq!(bad, json!({ "error": "out of paint" }));
    assert!(big["result"].to_string().len() > 200_000, "a large result is whole");
    assert_eq!(app.get("/tasks").await.json()["tasks"].as_array().unwrap().len(), 3);

    // The jobs that are kept, and the tasks of all three.
    let counts = redis.bullmq(LANE, &["counts"]).await;
    assert_eq!(
        (&counts["completed"], &counts["failed"], &counts["waiting-children"]),
        (&json!(3), &json!(2), &json!(0))
    );
    assert_eq!(worker.started(), 3);
}

#[tokio::test]
async fn a_job_waits_for_its_task_as_a_parent_for_its_child() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[KEY]).await;
    let id = add(&redis, LANE, json!([{ "data": sleep(60_000), "options": { "priority": 7 } }])).await.remove(0);
    worker.has_started(1).await;
    let task = worker.order().remove(0);
    assert_eq!(redis.bullmq(LANE, &["state", &id]).await, "waiting-children");
    let children = redis.bullmq(LANE, &["children", &id]).await;
    assert_eq!(children["unprocessed"], json!([format!("bull:{LANE}:{task}")]));
    assert_eq!(app.shown(&task).await["priority"], 7);
    app.request("DELETE", &format!("/tasks/{task}")).send().await.unwrap();
    has_ended(&redis, LANE, &id).await;
    assert_eq!(redis.bullmq(LANE, &["jobs", "failed"]).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_job_that_cannot_be_run_fails_with_its_reason_and_can_be_retried() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let mut app = balancer(&redis, &[&worker], &[]).await;
    let good = json!({ "name": "hello", "data": { "input": {} } });
    let ids = add(&redis, LANE, json!([good, { "data": { "group": "other" } }, { "data": "text" }])).await;
    for (id, reason) in ids.iter().zip(["no key for the workers", "must be those of the queue", "not a JSON object"]) {
        has_ended(&redis, LANE, id).await;
        let failed = redis.command(&["HGET", &format!("bull:{LANE}:{id}"), "failedReason"]).await.unwrap();
        assert!(failed.contains(reason), "{failed}");
    }
    assert_eq!(worker.started(), 0);
    app.restart_with(&redis.env(&[KEY])).await;
    redis.bullmq(LANE, &["retry", &ids[0]]).await;
    has_ended(&redis, LANE, &ids[0]).await;
    assert_eq!(redis.bullmq(LANE, &["state", &ids[0]]).await, "completed");
}

#[tokio::test]
async fn delayed_jobs_and_those_with_ids_of_their_own_run() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "1"]).await);
    let _app = balancer(&redis, &[&worker], &[KEY]).await;
    let data = json!({ "input": {} });
    let named = json!({ "name": "hello", "data": data, "options": { "jobId": "an-order" } });
    let later = json!({ "name": "hello", "data": data, "options": { "delay": 1_500, "priority": 2 } });
    for id in add(&redis, LANE, json!([named, later])).await {
        has_ended(&redis, LANE, &id).await;
    }
    assert_eq!(worker.started(), 2);
}

/// Each job ends once, and is run by one of the two.
#[tokio::test]
async fn a_worker_of_its_own_beside_the_balancer_runs_no_job_twice() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "2"]).await);
    let apps = [balancer(&redis, &[&worker], &[KEY]).await, balancer(&redis, &[&worker], &[KEY]).await];
    let jobs: Vec<_> = (0..200).map(|n| json!({ "name": "hello", "data": { "input": {}, "n": n } })).collect();
    let (drain, adds) = (["drain"], json!(jobs));
    let (ids, ran) = tokio::join!(add(&redis, LANE, adds), redis.bullmq(LANE, &drain));
    until("no job waits or runs", || async {
        let counts = redis.bullmq(LANE, &["counts"]).await;
        ["waiting", "active", "prioritized", "waiting-children"].iter().all(|state| counts[state] == 0)
    })
    .await;
    let ran = ran.as_array().unwrap().len();
    assert_eq!(ran + worker.started(), 200, "{ran} in Node, {} by the worker", worker.started());
    let mut ended = redis.events(&format!("bull:{LANE}:events")).await;
    ended.retain(|told| ["completed", "failed"].contains(&&*told["event"]) && ids.contains(&told["jobId"]));
    let different: HashSet<_> = ended.iter().map(|told| &told["jobId"]).collect();
    assert_eq!((ended.len(), different.len()), (200, 200), "every job has ended once: {ended:?}");
    assert!(apps[0].get("/tasks?state=failed").await.json()["tasks"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_job_whose_task_ran_in_a_worker_of_its_own_ends_too() {
    let redis = Redis::start().await;
    let app = TestApp::start_for(&[], &redis.env(&[KEY])).await;
    // The lane is known from a task of ours.
    let first = app.accept(&hello(json!({}))).await;
    let id = add(&redis, LANE, json!([{ "name": "hello", "data": { "input": {} } }])).await.remove(0);
    until("it waits for its task", || async { redis.bullmq(LANE, &["state", &id]).await == "waiting-children" }).await;
    let ran = redis.bullmq(LANE, &["drain"]).await;
    assert_eq!(ran.as_array().unwrap().len(), 2, "the task of ours and that of the job: {ran}");
    has_ended(&redis, LANE, &id).await;
    assert_eq!(redis.bullmq(LANE, &["state", &id]).await, "completed");
    assert_eq!(app.ended(&first).await["state"], "completed");
}

#[tokio::test]
async fn a_job_behind_many_tasks_is_taken_in_when_it_comes_and_keeps_its_turn() {
    let redis = Redis::start().await;
    let app = TestApp::start_for(&[], &redis.env(&[KEY])).await;
    for _ in 0..100 {
        app.accept(&hello(json!({}))).await;
    }
    let id = add(&redis, LANE, json!([{ "name": "hello", "data": { "input": {} } }])).await.remove(0);
    until("it waits for its task", || async { redis.bullmq(LANE, &["state", &id]).await == "waiting-children" }).await;
    let children = redis.bullmq(LANE, &["children", &id]).await;
    let task = children["unprocessed"][0].as_str().unwrap().trim_start_matches(&format!("bull:{LANE}:")).to_owned();
    let last = app.accept(&hello(json!({}))).await;
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let _with_worker = balancer(&redis, &[&worker], &[KEY]).await;
    worker.has_started(102).await;
    assert_eq!(worker.order()[100..], [task, last]);
}
