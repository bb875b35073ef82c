//! The slots of every lane.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::LaneSlots;
use crate::task::LaneKey;

/// Slots, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotTotals {
    /// Slots of eligible workers.
    pub limit: u64,
    /// Those that are busy, by whoever.
    pub used: u64,
    /// Those that could take a task now.
    pub free: u64,
}

/// The slots of every lane, by lane.
#[derive(Debug, Default)]
pub struct Slots {
    lanes: RwLock<HashMap<LaneKey, Arc<LaneSlots>>>,
}

impl Slots {
    /// The slots of a lane; without workers if it has none yet.
    pub fn lane(&self, key: &LaneKey) -> Arc<LaneSlots> {
        if let Some(lane) = self.lanes.read().get(key) {
            return Arc::clone(lane);
        }
        let mut lanes = self.lanes.write();
        Arc::clone(lanes.entry(key.clone()).or_insert_with(|| Arc::new(LaneSlots::new(key.clone()))))
    }

    /// The slots of all lanes, added up.
    pub fn totals(&self) -> SlotTotals {
        let mut totals = SlotTotals::default();
        for lane in self.lanes() {
            lane.add_to(&mut totals);
        }
        totals
    }

    /// Every lane that has or had workers or tasks.
    pub fn lanes(&self) -> Vec<Arc<LaneSlots>> {
        self.lanes.read().values().map(Arc::clone).collect()
    }

    /// Forgets a lane that nobody uses: no workers, and nobody but `holder` refers to it.
    pub fn forget_unused(&self, holder: &Arc<LaneSlots>) -> bool {
        let mut lanes = self.lanes.write();
        // One reference is the map's, one the caller's. New ones are only made under this lock.
        if Arc::strong_count(holder) > 2 || !holder.is_vacant() {
            return false;
        }
        lanes.remove(holder.key()).is_some()
    }
}
