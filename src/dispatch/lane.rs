//! Lanes, as dispatch sees them.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::Dispatcher;
use super::aside::Aside;
use crate::task::{Candidates, LaneKey};
use crate::workers::LaneSlots;

/// Sets of columns kept for the next decision.
const SPARE_CANDIDATES: usize = 8;

/// One lane: its slots, the tasks set aside, and the bell of its pump.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) slots: Arc<LaneSlots>,
    pub(super) aside: Aside,
    /// The lane's number for policies.
    pub(super) number: u32,
    bell: Notify,
    spare: Mutex<Vec<Candidates>>,
}

/// All lanes that tasks were seen in.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    by_key: RwLock<HashMap<LaneKey, Arc<Lane>, RandomState>>,
}

impl Lane {
    fn new(slots: Arc<LaneSlots>) -> Self {
        let number = slots.key().number();
        Self { slots, aside: Aside::default(), number, bell: Notify::new(), spare: Mutex::default() }
    }

    pub(super) fn key(&self) -> &LaneKey {
        self.slots.key()
    }

    /// Has the pump look at the lane.
    pub(super) fn wake(&self) {
        self.bell.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.bell.notified().await;
    }

    /// Empty columns, their memory used before.
    pub(super) fn columns(&self) -> Candidates {
        self.spare.lock().pop().unwrap_or_default()
    }

    pub(super) fn reuse(&self, mut columns: Candidates) {
        columns.clear();
        let mut spare = self.spare.lock();
        if spare.len() < SPARE_CANDIDATES {
            spare.push(columns);
        }
    }
}

impl Dispatcher {
    /// The lane of that key, its pump running.
    pub(super) fn lane(self: &Arc<Self>, key: &LaneKey) -> Arc<Lane> {
        if let Some(lane) = self.lanes.by_key.read().get(key) {
            return Arc::clone(lane);
        }
        let mut lanes = self.lanes.by_key.write();
        if let Some(lane) = lanes.get(key) {
            return Arc::clone(lane);
        }
        let lane = Arc::new(Lane::new(self.slots.lane(key)));
        lanes.insert(key.clone(), Arc::clone(&lane));
        drop(lanes);
        let pump = Arc::clone(self).pump(Arc::clone(&lane));
        match &self.pumping {
            Some(runtime) => self.tasks.spawn_on(pump, runtime),
            None => self.tasks.spawn(pump),
        };
        lane
    }

    /// The lane of that key, if tasks were seen in it.
    pub(super) fn known_lane(&self, key: &LaneKey) -> Option<Arc<Lane>> {
        self.lanes.by_key.read().get(key).map(Arc::clone)
    }

    /// Forgets a lane that nobody uses, for its pump to end.
    pub(super) fn retire_lane(&self, lane: &Arc<Lane>) -> bool {
        let mut lanes = self.lanes.by_key.write();
        // One reference is the map's, one the pump's: new ones are only made under this lock.
        if Arc::strong_count(lane) > 2 || !lane.aside.is_empty() || lane.slots.standing().ready > 0 {
            return false;
        }
        lanes.remove(lane.key());
        true
    }
}
