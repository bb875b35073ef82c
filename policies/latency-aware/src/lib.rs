//! The better of a few random workers, by how long they took for the same function lately and how much they have to do; see README.md.

use andera_policy::feedback::{Ending, Outcome};
use andera_policy::ranking::{Candidates, Context};
use andera_policy::setup::Directory;
use andera_policy::{Feedback, Policy, Ranking, Rng, Row, Shortlist, export_policy};
use serde::Deserialize;

use latencies::Latencies;

pub mod latencies;

/// The most candidates that are looked at.
const MOST: usize = 16;

/// Peak-EWMA latency for each worker and function, and the power of two choices.
pub struct LatencyAware {
    config: Config,
    latencies: Latencies,
}

/// The policy's `config`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many random candidates are compared, 2 to 16.
    pub choices: usize,
    /// How long it takes until two thirds of what was measured are forgotten, in milliseconds.
    pub decay_ms: f64,
    /// What an attempt that failed counts as, in milliseconds; its own latency if that is more.
    pub failure_ms: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { choices: 2, decay_ms: 10_000.0, failure_ms: 5_000.0 }
    }
}

impl Policy for LatencyAware {
    type Config = Config;
    const STATEFUL: bool = true;

    fn new(config: Config) -> Result<Self, String> {
        if !(2..=MOST).contains(&config.choices) {
            return Err(format!("choices is {}; it has to be 2 to {MOST}", config.choices));
        }
        if !(config.decay_ms >= 1.0 && config.decay_ms.is_finite()) {
            return Err(format!("decay_ms is {}; it has to be at least 1", config.decay_ms));
        }
        if !(config.failure_ms >= 0.0 && config.failure_ms.is_finite()) {
            return Err(format!("failure_ms is {}; it has to be at least 0", config.failure_ms));
        }
        Ok(Self { config, latencies: Latencies::new(config.decay_ms) })
    }

    fn topology(&mut self, directory: &Directory) {
        self.latencies.keep_workers(&directory.workers.iter().map(|worker| worker.id).collect());
    }
}

impl Ranking for LatencyAware {
    fn rank(&mut self, context: &Context, candidates: &Candidates) -> Vec<u32> {
        let mut best = Shortlist::<f64, MOST>::new();
        for row in drawn(candidates, context.seed, self.config.choices) {
            best.offer(self.cost(context, row), row.index());
        }
        best.rows().collect()
    }
}

impl Feedback for LatencyAware {
    fn observe(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let took_ms = f64::from(outcome.latency_ms);
            let counts_ms = match outcome.ending {
                Ending::Completed => took_ms,
                // What the client did wrong says nothing of the worker.
                Ending::Failed if (400..500).contains(&outcome.status) => continue,
                Ending::Cancelled => continue,
                // Whoever fails fast must not look fast.
                Ending::Failed | Ending::Disconnected | Ending::TimedOut => took_ms.max(self.config.failure_ms),
            };
            self.latencies.add(outcome.worker, outcome.function, counts_ms, outcome.ended_ms);
        }
    }
}

impl LatencyAware {
    /// How long a task would take here, if each task that is there already took as long as the last ones.
    fn cost(&self, context: &Context, row: Row) -> f64 {
        let known = self.latencies.of(row.worker(), context.function, context.now_ms);
        // Unknown: as its answers to all functions; never heard of: worth a try.
        let latency = known.unwrap_or_else(|| f64::from(row.latency_ms()));
        let waiting = f64::from(row.used()) + f64::from(row.queue());
        latency.max(1.0) * (1.0 + waiting) / f64::from(row.capacity())
    }
}

/// So many different rows by chance, or all if there are no more.
fn drawn(candidates: &Candidates, seed: u64, count: usize) -> impl Iterator<Item = Row<'_>> {
    let mut rng = Rng::new(seed);
    let len = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
    let mut rows = [0; MOST];
    let count = u32::try_from(count).map_or(len, |count| count.min(len));
    // Floyd's way to draw without repetition.
    for (at, last) in (len - count..len).enumerate() {
        let row = rng.below(last + 1);
        rows[at] = if rows[..at].contains(&row) { last } else { row };
    }
    rows.into_iter().take(count as usize).map(|row| candidates.row(row))
}

export_policy!(LatencyAware, ranking, feedback);

#[cfg(test)]
mod tests;
