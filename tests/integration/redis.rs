//! The queue in Redis: with one balancer and several, with a Redis that goes away, and beside the real `BullMQ`.

mod addresses;
mod away;
mod board;
mod fleet;
mod flows;
mod inbox;
mod interop;
mod lane_jobs;
mod spread;
mod streams;

use serde_json::{Value, json};

use crate::harness::{Redis, TestApp, TestWorker, until, with};

/// The queue of the lane that [`TestApp::call`] uses.
const LANE: &str = "tasks.default.1";

/// A balancer on that Redis.
async fn balancer(redis: &Redis, workers: &[&TestWorker], env: &[(&str, &str)]) -> TestApp {
    TestApp::start_with(workers, &redis.env(env)).await
}

fn sleep(millis: u64) -> Value {
    TestApp::call("sleep", &json!({ "ms": millis }))
}

fn hello(fields: Value) -> Value {
    with(TestApp::call("hello", &json!({ "name": "Andera" })), fields)
}

/// Adds jobs to a queue with the real `BullMQ`; gives their ids.
async fn add(redis: &Redis, queue: &str, jobs: Value) -> Vec<String> {
    ids(&redis.bullmq(queue, &["add", &jobs.to_string()]).await)
}

fn ids(told: &Value) -> Vec<String> {
    told.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

async fn has_ended(redis: &Redis, queue: &str, id: &str) {
    until("the job has ended", || async {
        let state = redis.bullmq(queue, &["state", id]).await;
        state == "completed" || state == "failed"
    })
    .await;
}
