//! What workers took lately.

use std::collections::{HashMap, HashSet};

/// Pairs beyond this are looked through for those that are forgotten anyhow.
const MANY: usize = 65_536;
/// After so many times the decay next to nothing is left of a measurement.
const FORGOTTEN: f64 = 10.0;

/// A peak-sensitive moving average (Finagle's "peak EWMA") for each worker and function: it follows a rise at once and a fall slowly, and fades
/// while nothing is measured, so that a worker that was slow is tried again.
pub struct Latencies {
    decay_ms: f64,
    pairs: HashMap<(u32, u32), Average>,
}

#[derive(Clone, Copy)]
struct Average {
    ms: f64,
    at_ms: u64,
}

impl Latencies {
    /// None yet.
    pub fn new(decay_ms: f64) -> Self {
        Self { decay_ms, pairs: HashMap::new() }
    }

    /// Adds a measurement. One that is no number says nothing.
    pub fn add(&mut self, worker: u32, function: u32, ms: f64, at_ms: u64) {
        if !ms.is_finite() {
            return;
        }
        if self.pairs.len() >= MANY && !self.pairs.contains_key(&(worker, function)) {
            let decay_ms = self.decay_ms;
            self.pairs.retain(|_, average| passed(average.at_ms, at_ms) < FORGOTTEN * decay_ms);
            if self.pairs.len() >= MANY {
                return;
            }
        }
        let decay_ms = self.decay_ms;
        let average = self.pairs.entry((worker, function)).or_insert(Average { ms, at_ms });
        let kept = (-passed(average.at_ms, at_ms) / decay_ms).exp();
        average.ms = if ms > average.ms { ms } else { average.ms * kept + ms * (1.0 - kept) };
        average.at_ms = average.at_ms.max(at_ms);
    }

    /// What to expect; none if nothing was ever measured.
    pub fn of(&self, worker: u32, function: u32, now_ms: u64) -> Option<f64> {
        let average = self.pairs.get(&(worker, function))?;
        Some(average.ms * (-passed(average.at_ms, now_ms) / self.decay_ms).exp())
    }

    /// Forgets all other workers.
    pub fn keep_workers(&mut self, listed: &HashSet<u32>) {
        self.pairs.retain(|(worker, _), _| listed.contains(worker));
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds")]
fn passed(since_ms: u64, now_ms: u64) -> f64 {
    now_ms.saturating_sub(since_ms) as f64
}

#[cfg(test)]
mod tests {
    use super::{Latencies, MANY};

    #[test]
    fn rises_at_once_and_falls_with_time() {
        let mut latencies = Latencies::new(1_000.0);
        assert_eq!(latencies.of(1, 1, 0), None);
        latencies.add(1, 1, 10.0, 0);
        latencies.add(1, 1, 500.0, 0);
        assert_eq!(latencies.of(1, 1, 0), Some(500.0));
        latencies.add(1, 1, 10.0, 0);
        assert_eq!(latencies.of(1, 1, 0), Some(500.0));
        latencies.add(1, 1, 10.0, 1_000);
        let after = latencies.of(1, 1, 1_000).unwrap();
        assert!((190.0..191.0).contains(&after), "{after}");
        // Unused, it fades.
        assert!(latencies.of(1, 1, 11_000).unwrap() < 0.01);
        assert_eq!(latencies.of(1, 2, 1_000), None);
    }

    #[test]
    fn what_is_no_number_and_what_comes_late_does_no_harm() {
        let mut latencies = Latencies::new(1_000.0);
        latencies.add(1, 1, f64::NAN, 0);
        latencies.add(1, 1, f64::INFINITY, 0);
        assert_eq!(latencies.of(1, 1, 0), None);
        latencies.add(1, 1, 10.0, 5_000);
        latencies.add(1, 1, 20.0, 4_000);
        assert_eq!(latencies.of(1, 1, 3_000), Some(20.0));
    }

    #[test]
    fn workers_that_are_gone_are_forgotten_and_memory_is_bounded() {
        let mut latencies = Latencies::new(1_000.0);
        for function in 0..200_000 {
            latencies.add(1, function, 1.0, u64::from(function));
        }
        assert!(latencies.pairs.len() <= MANY);
        latencies.keep_workers(&[2].into());
        assert!(latencies.pairs.is_empty());
    }
}
