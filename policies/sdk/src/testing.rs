//! What a policy's tests need: arguments to call it with, and a simulation that asks it as the balancer would.
//!
//! ```
//! # use andera_policy::{NoConfig, Policy, Ranking, least_loaded, ranking::{Candidates, Context}};
//! # struct Least;
//! # impl Policy for Least { type Config = NoConfig; fn new(_: NoConfig) -> Result<Self, String> { Ok(Self) } }
//! # impl Ranking for Least { fn rank(&mut self, context: &Context, candidates: &Candidates) -> Vec<u32> { least_loaded(candidates, context.seed) } }
//! use andera_policy::testing::{Job, Machine, Simulation, configured};
//!
//! let policy: Least = configured("{}").unwrap();
//! // Two workers of two slots, 50 ms a task; a task arrives every 20 ms.
//! let mut simulation = Simulation::new(policy, [Machine::new(1).slots(2), Machine::new(2).slots(2)])
//!     .ranking()
//!     .taking(|_worker, _function, _now_ms| 50);
//! let report = simulation.run((0..100).map(|n| Job::at(n * 20)));
//! assert_eq!(report.runs.len(), 100);
//! assert!(report.on_worker(1).count() > 40);
//! ```

use std::cell::RefCell;

pub use job::{Job, Report, Run};
pub use machine::{Machine, candidates, directory};
pub use simulation::Simulation;

use crate::feedback::{Ending, Outcome};
use crate::instance::parse;
use crate::priority::{Mode as TaskMode, Task};
use crate::ranking::{Context, Mode};
use crate::{Level, Policy};

mod job;
mod machine;
mod simulation;

/// A point in time, 2026, in milliseconds since the Unix epoch: where simulations start.
pub const NOW_MS: u64 = 1_780_000_000_000;

/// A policy from its configuration as JSON, as the balancer makes it.
pub fn configured<P: Policy>(json: &str) -> Result<P, String> {
    P::new(parse(json)?)
}

/// A task in lane 1 for function 1, without priority, key and tenant.
pub fn context() -> Context {
    Context {
        lane: 1,
        function: 1,
        priority: 0,
        attempt: 1,
        mode: Mode::Sync,
        age_ms: 0,
        body_bytes: 100,
        key_hash: 0,
        tenant_hash: 0,
        now_ms: NOW_MS,
        seed: 0,
        tried: 0,
    }
}

/// A submission in lane 1 (group `test`, contract 1) for function 1 (`run`), without priority, key and tenant.
pub fn task() -> Task {
    Task {
        lane: 1,
        group: "test".into(),
        contract: 1.0,
        function: 1,
        function_name: "run".into(),
        priority: 0,
        mode: TaskMode::Sync,
        body_bytes: 100,
        key: None,
        key_hash: 0,
        tenant: None,
        tenant_hash: 0,
        now_ms: NOW_MS,
        seed: 0,
    }
}

/// A completed first attempt in lane 1 for function 1.
pub fn outcome(worker: u32, latency_ms: f32) -> Outcome {
    Outcome {
        worker,
        lane: 1,
        function: 1,
        attempt: 1,
        key_hash: 0,
        tenant_hash: 0,
        latency_ms,
        ok: true,
        ending: Ending::Completed,
        status: 200,
        ended_ms: NOW_MS,
    }
}

/// A hash of a key or a tenant: never 0, except for the empty text. The balancer's own hash may be another one.
pub fn hash(text: &str) -> u64 {
    let mixed = text.bytes().fold(0, |hash, byte| crate::Rng::new(hash ^ u64::from(byte)).next_u64());
    if text.is_empty() { 0 } else { mixed.max(1) }
}

thread_local! {
    static LOG: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn keep_line(level: Level, message: &str) {
    LOG.with_borrow_mut(|log| log.push((level, message.to_owned())));
}

/// What was logged on this thread since this was last asked.
pub fn logged() -> Vec<(Level, String)> {
    LOG.take()
}

#[cfg(test)]
mod tests;
