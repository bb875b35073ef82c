//! What was counted so far, for whoever wants rates.

use prometheus_client::metrics::counter::Counter;

use super::{CODES, LatencyCounts, MODES, Metrics, OUTCOMES};
use crate::task::{AttemptOutcome, TaskState};

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tasks accepted.
    pub submitted: u64,
    /// Tasks that ended well.
    pub completed: u64,
    /// Tasks that finally failed.
    pub failed: u64,
    /// Tasks that were cancelled.
    pub cancelled: u64,
    /// Runs on workers that have ended.
    pub attempts: u64,
    /// Those of them that failed, were cut off or timed out.
    pub bad_attempts: u64,
    /// Tasks that ended, by how long that took from their submission on.
    pub latencies: LatencyCounts,
}

impl Metrics {
    /// What was counted so far. Reads some hundred counters and looks nothing up.
    pub fn totals(&self) -> Totals {
        let finished = |state: TaskState| {
            let first = state as usize * CODES;
            (first..first + CODES).filter_map(|index| self.0.finished.known(index)).map(Counter::get).sum()
        };
        let attempts = |outcome: AttemptOutcome| self.0.attempts.known(outcome as usize).map_or(0, Counter::get);
        let bad = [AttemptOutcome::Failed, AttemptOutcome::Disconnected, AttemptOutcome::TimedOut];
        Totals {
            submitted: MODES.iter().filter_map(|mode| self.0.submitted.known(*mode as usize)).map(Counter::get).sum(),
            completed: finished(TaskState::Completed),
            failed: finished(TaskState::Failed),
            cancelled: finished(TaskState::Cancelled),
            attempts: OUTCOMES.into_iter().map(attempts).sum(),
            bad_attempts: bad.into_iter().map(attempts).sum(),
            latencies: self.0.latencies.counts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::task::{ErrorCode, Mode};

    #[test]
    fn totals_add_up_what_is_counted_by_mode_state_and_code() {
        let metrics = Metrics::new();
        assert_eq!(metrics.totals(), Totals::default());
        metrics.submitted(Mode::Sync);
        metrics.submitted(Mode::Async);
        metrics.finished(TaskState::Completed, None, Mode::Sync, Duration::from_millis(5));
        metrics.finished(TaskState::Failed, Some(ErrorCode::Timeout), Mode::Sync, Duration::from_millis(5));
        metrics.finished(TaskState::Failed, Some(ErrorCode::Expired), Mode::Async, Duration::from_millis(5));
        metrics.attempt(AttemptOutcome::Completed);
        metrics.attempt(AttemptOutcome::TimedOut);
        let totals = metrics.totals();
        assert_eq!((totals.submitted, totals.completed, totals.failed, totals.cancelled), (2, 1, 2, 0));
        assert_eq!((totals.attempts, totals.bad_attempts), (2, 1));
        assert!(totals.latencies.percentile(0.5).is_some());
    }
}
