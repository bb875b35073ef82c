//! How long calls take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Half octaves of nanoseconds.
const BUCKETS: usize = 96;

/// How long calls took, from all threads: as many counters as there are half octaves.
#[derive(Debug)]
pub(super) struct Durations {
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Durations {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS] }
    }
}

impl Durations {
    /// A call has ended.
    pub(super) fn add(&self, took: Duration) {
        self.buckets[bucket(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// Calls so far.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// Times in which half and 99 percent of the calls have ended, to half an octave; `None` if there was none.
    pub(super) fn percentiles(&self) -> Option<(Duration, Duration)> {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let at = |share: u64| {
            let mut left = (total * share).div_ceil(100);
            let place = counts.iter().position(|count| {
                left = left.saturating_sub(*count);
                left == 0
            });
            upper_end(place.unwrap_or(BUCKETS - 1))
        };
        (total > 0).then(|| (at(50), at(99)))
    }
}

fn bucket(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
    let octave = nanos.ilog2();
    let half = if octave == 0 { 0 } else { (nanos >> (octave - 1)) & 1 };
    (octave as usize * 2 + usize::from(half == 1)).min(BUCKETS - 1)
}

fn upper_end(bucket: usize) -> Duration {
    let octave = 1_u64 << (bucket / 2);
    Duration::from_nanos(if bucket.is_multiple_of(2) { octave + octave / 2 } else { octave * 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_half_an_octave() {
        let durations = Durations::default();
        assert_eq!(durations.percentiles(), None);
        for nth in 1..=100 {
            durations.add(Duration::from_micros(nth));
        }
        let (half, nearly_all) = durations.percentiles().unwrap();
        assert_eq!(durations.count(), 100);
        assert!((50..=75).contains(&half.as_micros()), "{half:?}");
        assert!((99..=150).contains(&nearly_all.as_micros()), "{nearly_all:?}");
    }
}
