//! Tests over real sockets.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod readme;
mod sample_worker;
mod simulation;
mod tasks;
