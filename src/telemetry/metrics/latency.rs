//! How long tasks take, in buckets fine enough for percentiles.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets: four to a doubling, from a tenth of a millisecond to half an hour; the last one for whatever is longer.
const BUCKETS: usize = 97;
/// The end of the first bucket, in microseconds.
const FIRST_US: f64 = 100.0;
/// Buckets to a doubling.
const STEPS: f64 = 4.0;

/// Counts tasks by how long they took. Counting is one atomic addition.
#[derive(Debug)]
pub(super) struct Latencies([AtomicU64; BUCKETS]);

impl Default for Latencies {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Latencies {
    pub(super) fn record(&self, duration: Duration) {
        self.0[bucket(duration)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> LatencyCounts {
        LatencyCounts(std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed)))
    }
}

fn bucket(duration: Duration) -> usize {
    let doublings = (duration.as_secs_f64() * 1e6 / FIRST_US).log2().max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and cut to the last bucket"
    )]
    let at = (doublings * STEPS).ceil() as usize;
    at.min(BUCKETS - 1)
}

/// Tasks by how long they took, at one moment or between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyCounts([u64; BUCKETS]);

impl Default for LatencyCounts {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl LatencyCounts {
    /// What has come since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].saturating_sub(earlier.0[at])))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those buckets that are not empty, with what is in them: what [`of_buckets`](Self::of_buckets) takes.
    pub fn buckets(&self) -> Box<[(u8, u32)]> {
        let full = self.0.iter().enumerate().filter(|(_, count)| **count > 0);
        full.map(|(at, count)| (u8::try_from(at).unwrap_or(u8::MAX), u32::try_from(*count).unwrap_or(u32::MAX)))
            .collect()
    }

    /// The counts of such buckets.
    pub fn of_buckets(buckets: &[(u8, u32)]) -> Self {
        let mut counts = Self::default();
        for (at, count) in buckets {
            if let Some(bucket) = counts.0.get_mut(usize::from(*at)) {
                *bucket += u64::from(*count);
            }
        }
        counts
    }

    /// Adds up.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }

    /// The time in milliseconds within which that share (0 to 1) of the tasks ended, up to a fifth too long; `None` without tasks.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a share of a count")]
        let wanted = self.count() as f64 * share;
        let mut seen = 0;
        let at = self.0.iter().position(|count| {
            seen += count;
            #[expect(clippy::cast_precision_loss, reason = "compared with a share of a count")]
            let reached = seen as f64 >= wanted;
            reached && *count > 0
        })?;
        #[expect(clippy::cast_precision_loss, reason = "below a hundred")]
        let doublings = at as f64 / STEPS;
        Some(FIRST_US * doublings.exp2() / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_at_most_a_fifth_too_long() {
        let latencies = Latencies::default();
        for millis in 1..=1_000 {
            latencies.record(Duration::from_millis(millis));
        }
        let counts = latencies.counts();
        for (share, exact) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let found = counts.percentile(share).unwrap();
            assert!((exact..exact * 1.2).contains(&found), "{share}: {found}");
        }
        assert_eq!(LatencyCounts::of_buckets(&counts.buckets()), counts);
    }

    #[test]
    fn what_is_very_short_or_long_is_counted_too_and_nothing_has_no_percentile() {
        let latencies = Latencies::default();
        assert_eq!(latencies.counts().percentile(0.5), None);
        latencies.record(Duration::ZERO);
        let early = latencies.counts();
        assert_eq!(early.percentile(0.99), Some(0.1));
        latencies.record(Duration::MAX);
        assert!(latencies.counts().since(&early).percentile(0.0).unwrap() > 1_000_000.0);
    }
}
