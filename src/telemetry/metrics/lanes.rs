//! What ends in each lane, for those who keep its history.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::latency::Latencies;
use super::{LatencyCounts, Metrics};
use crate::task::{LaneKey, TaskState};

/// Lanes that are counted apart. Clients make lanes by naming them, so there may be any number; those beyond that wait until one
/// is forgotten.
pub const COUNTED_LANES: usize = 200;

/// Counts by lane.
#[derive(Debug, Default)]
pub(super) struct Lanes(RwLock<HashMap<LaneKey, Arc<Counts>>>);

#[derive(Debug, Default)]
struct Counts {
    completed: AtomicU64,
    failed: AtomicU64,
    waits: Latencies,
    runs: Latencies,
}

/// What was counted of a lane since it was first heard of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneTotals {
    /// Tasks that ended well.
    pub completed: u64,
    /// Tasks that finally failed, or were cancelled.
    pub failed: u64,
    /// Tasks that were delivered, by how long they waited for that.
    pub waits: LatencyCounts,
    /// Tasks that ended with a run, by how long the last one took.
    pub runs: LatencyCounts,
}

impl Lanes {
    fn of(&self, lane: &LaneKey) -> Option<Arc<Counts>> {
        {
            let lanes = self.0.read();
            let known = lanes.get(lane).map(Arc::clone);
            if known.is_some() || lanes.len() >= COUNTED_LANES {
                return known;
            }
        }
        Some(Arc::clone(self.0.write().entry(lane.clone()).or_default()))
    }
}

impl Counts {
    fn totals(&self) -> LaneTotals {
        LaneTotals {
            completed: self.completed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            waits: self.waits.counts(),
            runs: self.runs.counts(),
        }
    }
}

impl LaneTotals {
    /// What has come since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            completed: self.completed.saturating_sub(earlier.completed),
            failed: self.failed.saturating_sub(earlier.failed),
            waits: self.waits.since(&earlier.waits),
            runs: self.runs.since(&earlier.runs),
        }
    }
}

impl Metrics {
    /// A task of that lane was delivered for the first time, `wait` after its submission.
    pub fn lane_delivered(&self, lane: &LaneKey, wait: Duration) {
        if let Some(counts) = self.0.lanes.of(lane) {
            counts.waits.record(wait);
        }
    }

    /// A task of that lane reached its end; `run` is how long its last run took, if it ended with one.
    pub fn lane_ended(&self, lane: &LaneKey, state: TaskState, run: Option<Duration>) {
        let Some(counts) = self.0.lanes.of(lane) else { return };
        let count = if state == TaskState::Completed { &counts.completed } else { &counts.failed };
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(run) = run {
            counts.runs.record(run);
        }
    }

    /// What was counted of a lane, if it is counted.
    pub fn lane_totals(&self, lane: &LaneKey) -> Option<LaneTotals> {
        self.0.lanes.0.read().get(lane).map(|counts| counts.totals())
    }

    /// The lanes that are counted.
    pub fn counted_lanes(&self) -> Vec<LaneKey> {
        self.0.lanes.0.read().keys().cloned().collect()
    }

    /// Makes room for another lane; should that one be heard of again, it is counted from zero.
    pub fn forget_lane(&self, lane: &LaneKey) {
        self.0.lanes.0.write().remove(lane);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Contract;

    fn lane(n: usize) -> LaneKey {
        LaneKey::new(format!("g{n}"), Contract::new(1.0).unwrap())
    }

    #[test]
    fn lanes_are_counted_apart_and_only_so_many() {
        let metrics = Metrics::new();
        metrics.lane_delivered(&lane(0), Duration::from_millis(3));
        metrics.lane_ended(&lane(0), TaskState::Completed, Some(Duration::from_millis(20)));
        metrics.lane_ended(&lane(0), TaskState::Cancelled, None);
        let first = metrics.lane_totals(&lane(0)).unwrap();
        assert_eq!((first.completed, first.failed, first.runs.count(), first.waits.count()), (1, 1, 1, 1));
        for n in 1..=COUNTED_LANES {
            metrics.lane_ended(&lane(n), TaskState::Failed, None);
        }
        assert_eq!(metrics.counted_lanes().len(), COUNTED_LANES);
        assert_eq!(metrics.lane_totals(&lane(COUNTED_LANES)), None);
        metrics.forget_lane(&lane(0));
        metrics.lane_ended(&lane(COUNTED_LANES), TaskState::Failed, None);
        assert_eq!(metrics.lane_totals(&lane(COUNTED_LANES)).unwrap().failed, 1);
    }
}
