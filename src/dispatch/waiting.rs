//! Why a task waits.

use serde::Serialize;

use super::Dispatcher;
use crate::task::{TaskRecord, TaskState};

/// Why a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingReason {
    /// Its lane has no ready worker.
    NoWorker,
    /// Its lane has no free slot, or it is on its way into one.
    NoFreeSlot,
    /// The policy told it to wait, or so many before it that the lane rests.
    PolicyWait,
    /// Its lane is paused.
    Paused,
    /// Its first run is for later.
    Delayed,
    /// An attempt has failed, and the next one is for later.
    Backoff,
}

/// Why a task waits, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingView {
    /// Why it waits.
    pub reason: WaitingReason,
    /// How many tasks of its lane go before it: 0 is next. `None` for one that is delayed, one behind more than
    /// [`MAX_POSITION`](crate::queue::MAX_POSITION) others, and in lists.
    pub position: Option<u64>,
}

impl Dispatcher {
    /// Why a waiting task waits, as far as this balancer sees.
    pub(super) fn why_it_waits(&self, record: &TaskRecord, paused: bool) -> WaitingReason {
        if record.state == TaskState::Delayed {
            return if record.attempts.is_empty() { WaitingReason::Delayed } else { WaitingReason::Backoff };
        }
        if paused {
            return WaitingReason::Paused;
        }
        match self.known_lane(&record.spec.lane) {
            Some(lane) if lane.slots.standing().ready == 0 => WaitingReason::NoWorker,
            Some(lane) if lane.aside.holds(record.spec.id) || lane.aside.is_full() => WaitingReason::PolicyWait,
            Some(_) => WaitingReason::NoFreeSlot,
            None => WaitingReason::NoWorker,
        }
    }
}
