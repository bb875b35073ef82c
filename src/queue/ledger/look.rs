//! Looking at the books.

use super::Ledger;
use super::detail::Seen;
use super::standing::Standing;
use super::store::Store;
use crate::queue::{LaneCounts, StateCounts};
use crate::task::{LaneKey, TaskId, Timestamp};

/// What the books know of a task.
#[derive(Debug)]
pub(in crate::queue) struct Look {
    pub(in crate::queue) standing: Standing,
    pub(in crate::queue) seen: Seen,
}

impl<S: Store> Ledger<S> {
    pub(in crate::queue) fn look(&self, id: TaskId) -> Option<Look> {
        let entry = self.index.get(id)?;
        self.lanes.of(entry)?.look_if(entry.slot, id, |_| true)
    }

    pub(in crate::queue) fn position(&self, id: TaskId) -> Option<u64> {
        let entry = self.index.get(id)?;
        self.lanes.of(entry)?.position(entry.slot, id)
    }

    pub(in crate::queue) fn oldest_queued(&self, lane: &LaneKey) -> Option<Timestamp> {
        self.lanes.get(lane)?.oldest_queued()
    }

    pub(in crate::queue) fn counts(&self) -> Vec<LaneCounts> {
        self.lanes.all().iter().map(|lane| lane.counts()).collect()
    }

    pub(in crate::queue) fn lane_counts(&self, lane: &LaneKey) -> LaneCounts {
        let unknown = || LaneCounts { lane: lane.clone(), counts: StateCounts::default(), paused: false };
        self.lanes.get(lane).map_or_else(unknown, |lane| lane.counts())
    }
}
