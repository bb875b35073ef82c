//! Looking at lanes, and pausing them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Dispatcher;
use crate::queue::{LaneCounts, QueueError, StateCounts};
use crate::task::LaneKey;

/// How a lane stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneView {
    /// The lane.
    pub lane: LaneKey,
    /// Whether claims are stopped.
    pub paused: bool,
    /// Its tasks by state.
    pub counts: StateCounts,
    /// Ready, valid workers.
    pub workers: usize,
    /// Slots that could take a task now.
    pub free_slots: u64,
}

impl Dispatcher {
    /// The lanes that have tasks or workers or are paused, by group and contract.
    pub async fn lanes(&self) -> Result<Vec<LaneView>, QueueError> {
        let mut lanes = BTreeMap::new();
        for counts in self.queue.counts().await? {
            if counts.paused || counts.counts != StateCounts::default() {
                lanes.insert(counts.lane.clone(), without_workers(counts));
            }
        }
        for slots in self.slots.lanes().into_iter().filter(|slots| !slots.is_vacant()) {
            let key = slots.key();
            let none = || LaneCounts { lane: key.clone(), counts: StateCounts::default(), paused: false };
            let view = lanes.entry(key.clone()).or_insert_with(|| without_workers(none()));
            let standing = slots.standing();
            (view.workers, view.free_slots) = (standing.ready, standing.free);
        }
        Ok(lanes.into_values().collect())
    }

    /// Stops or restarts claims from a lane; it need not have tasks yet. What runs there runs on, what waits when the lane is
    /// resumed is looked at at once.
    pub async fn set_paused(self: &Arc<Self>, key: &LaneKey, paused: bool) -> Result<LaneView, QueueError> {
        self.queue.set_paused(key, paused).await?;
        let lane = self.lane(key);
        if !paused {
            lane.aside.changed();
            lane.wake();
        }
        tracing::info!(lane = %key, paused, "lane paused or resumed");
        let standing = lane.slots.standing();
        let view = without_workers(self.queue.lane_counts(key).await?);
        Ok(LaneView { workers: standing.ready, free_slots: standing.free, ..view })
    }
}

fn without_workers(counts: LaneCounts) -> LaneView {
    LaneView { lane: counts.lane, paused: counts.paused, counts: counts.counts, workers: 0, free_slots: 0 }
}
