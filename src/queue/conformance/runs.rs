//! How a test of the suite is run.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Bench;
use crate::queue::{QueueLimits, TaskQueue};
use crate::task::{Chance, Clock};

/// Courses of faults that a test is run under.
const SEEDS: u64 = 8;

/// Runs a test on the backend itself.
pub(crate) fn once<F: Future<Output = ()>>(
    make: impl Fn(QueueLimits, Clock) -> Arc<dyn TaskQueue>,
    limits: &QueueLimits,
    test: impl Fn(Bench) -> F,
) {
    in_paused_time(async { test(Bench::new(make, limits.clone())).await });
}

/// Runs a test on a store that fails, delays, and does what it reports as failed, behind a caller that repeats what failed: whatever the
/// suite promises holds all the same. Once a seed; the seed of a failure is printed.
pub(crate) fn under_faults<F: Future<Output = ()>>(
    make: impl Fn(QueueLimits, Clock) -> Arc<dyn TaskQueue>,
    limits: &QueueLimits,
    test: impl Fn(Bench) -> F,
) {
    for seed in 0..SEEDS {
        let run = async { test(Bench::under_faults(&make, limits.clone(), Chance::seeded(seed))).await };
        let outcome = catch_unwind(AssertUnwindSafe(|| in_paused_time(run)));
        assert!(outcome.is_ok(), "under the faults of seed {seed}; the lines above say what");
    }
}

fn in_paused_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(test);
}
