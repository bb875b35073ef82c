//! From counters and moments to samples.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::history::Sample;
use crate::task::Timestamp;
use crate::telemetry::{LatencyCounts, Totals};

/// Percentiles of a second would be those of a handful of tasks: they are of so many seconds at least.
const PERCENTILES_OF: Duration = Duration::from_secs(10);

/// What stands at one moment, not what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauges {
    pub(super) queued: u64,
    pub(super) delayed: u64,
    pub(super) running: u64,
    pub(super) used: u64,
    pub(super) limit: u64,
}

/// Makes one sample out of a span of time.
#[derive(Debug)]
pub(super) struct Span {
    length: Duration,
    began: Instant,
    totals: Totals,
    highest: Gauges,
    /// What was counted at the ends of the spans before, as many as percentiles need.
    earlier: VecDeque<LatencyCounts>,
}

impl Span {
    pub(super) fn new(length: Duration, now: Instant, totals: Totals) -> Self {
        Self { length, began: now, totals, highest: Gauges::default(), earlier: VecDeque::new() }
    }

    /// Takes in how things stand; gives the sample if the span is over, and begins the next. Of what stands, the highest counts: what
    /// a chart of a day must not lose is that a queue was long for a minute.
    pub(super) fn note(&mut self, now: Instant, at: Timestamp, totals: &Totals, gauges: Gauges) -> Option<Sample> {
        let highest = &mut self.highest;
        highest.queued = highest.queued.max(gauges.queued);
        highest.delayed = highest.delayed.max(gauges.delayed);
        highest.running = highest.running.max(gauges.running);
        highest.used = highest.used.max(gauges.used);
        highest.limit = highest.limit.max(gauges.limit);
        let elapsed = now - self.began;
        // The ticker may be a moment early.
        if elapsed + Duration::from_millis(200) < self.length {
            return None;
        }
        let seconds = elapsed.as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a rate for a chart")]
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let before = &self.totals;
        let latencies = totals.latencies.since(self.earlier.front().unwrap_or(&before.latencies));
        let percentiles = [0.5, 0.95, 0.99].map(|share| latencies.percentile(share));
        let Gauges { queued, delayed, running, used, limit } = *highest;
        let sample = Sample {
            at,
            completed: rate(totals.completed, before.completed),
            failed: rate(totals.failed, before.failed),
            bad_attempts: rate(totals.bad_attempts, before.bad_attempts),
            attempts: rate(totals.attempts, before.attempts),
            submitted: rate(totals.submitted, before.submitted),
            queued,
            delayed,
            running,
            used,
            limit,
            percentiles: if let [Some(p50), Some(p95), Some(p99)] = percentiles { Some([p50, p95, p99]) } else { None },
        };
        let mut earlier = std::mem::take(&mut self.earlier);
        earlier.push_back(std::mem::take(&mut self.totals).latencies);
        let spans = PERCENTILES_OF.as_secs() / self.length.as_secs().max(1);
        while earlier.len() as u64 >= spans.max(1) {
            earlier.pop_front();
        }
        *self = Self { earlier, ..Self::new(self.length, now, totals.clone()) };
        Some(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rates_are_by_the_time_that_passed_and_the_highest_queue_counts() {
        let now = Instant::now();
        let mut span = Span::new(Duration::from_secs(10), now, Totals { completed: 100, ..Totals::default() });
        let at = Timestamp::from_millis(0);
        let later = |seconds| now + Duration::from_secs(seconds);
        let long = Gauges { queued: 50, ..Gauges::default() };
        assert!(span.note(later(5), at, &Totals { completed: 110, ..Totals::default() }, long).is_none());
        let totals = Totals { completed: 150, failed: 5, ..Totals::default() };
        let sample = span.note(later(10), at, &totals, Gauges { queued: 1, ..Gauges::default() }).unwrap();
        assert!((sample.completed - 5.0).abs() < 1e-9 && (sample.failed - 0.5).abs() < 1e-9, "{sample:?}");
        assert_eq!((sample.queued, sample.percentiles), (50, None));
        let next = span.note(later(20), at, &totals, Gauges::default()).unwrap();
        assert!(next.completed.abs() < 1e-9 && next.queued == 0, "{next:?}");
    }
}
