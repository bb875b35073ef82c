//! Tests over real sockets.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod sample_worker;
mod simulation;
