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

use crate::harness::{Redis, TestApp, TestWorker, with};

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
