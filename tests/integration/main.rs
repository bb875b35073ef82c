//! Tests over real sockets.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod cli;
mod harness;
mod idempotency;
mod protocol;
mod readme;
mod sample_worker;
mod simulation;
mod tasks;
