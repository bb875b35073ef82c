//! Tests over real sockets.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli;
mod harness;
mod protocol;
mod readme;
mod sample_worker;
mod simulation;
mod task_api;
mod tasks;
