//! Tests over real sockets.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod choice;
mod cli;
mod crash;
mod dashboard;
mod drain;
#[path = "../guests/evil.rs"]
#[expect(unreachable_pub, reason = "shared with the tests of the host")]
mod evil;
#[path = "../guests/guest.rs"]
#[expect(unreachable_pub, reason = "shared with the tests of the host")]
mod guest;
mod harness;
mod idempotency;
mod lane_order;
mod languages;
mod leaving_clients;
mod limits;
mod lost_workers;
mod notices;
mod openapi;
mod policies;
mod protocol;
mod readme;
mod recovery;
mod redis;
mod retries;
mod sample_worker;
mod secrets;
mod simulation;
mod streams;
mod task_api;
mod tasks;
mod timeouts;
mod unreadable_keys;
mod waves;
mod worker_list;
mod worker_status;
