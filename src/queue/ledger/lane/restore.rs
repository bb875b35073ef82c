//! A lane comes back from its store.

use tokio::time::Instant;

use super::inner::Hold;
use super::{Change, Ended, Lane, Place, SmallVec};
use crate::queue::ledger::entry::{Entry, Written};
use crate::queue::ledger::standing::{Phase, Standing};
use crate::queue::ledger::store::Store;
use crate::queue::{RequestId, Settlement};
use crate::task::{ErrorCode, Mode, TaskId, TaskState, Timestamp};

/// What a lane holds once everything has been read.
#[derive(Debug, Default)]
pub(in crate::queue::ledger) struct Restored {
    pub(in crate::queue::ledger) waiting: u64,
    /// What had ended before.
    pub(in crate::queue::ledger) ended: Vec<Ended>,
    /// What follows from the break: tasks that ran wait again or have ended, streams have.
    pub(in crate::queue::ledger) changes: Vec<Change>,
    /// How many tasks ran.
    pub(in crate::queue::ledger) interrupted: u64,
    /// The first timer.
    pub(in crate::queue::ledger) next: Option<Timestamp>,
}

impl<S: Store> Lane<S> {
    /// Takes in a task as the store has it. It takes no part in anything before [`Self::restored`].
    pub(in crate::queue::ledger) fn restore(&self, entry: Entry) -> u32 {
        let mut inner = self.inner.lock();
        u32::try_from(inner.entries.insert(entry)).unwrap_or(u32::MAX)
    }

    /// Takes in a part of a task, if it is no earlier form of what is known. Gives the places that are of no use.
    pub(in crate::queue::ledger) fn restore_part(
        &self,
        slot: u32,
        id: TaskId,
        standing: &Standing,
        written: Written,
    ) -> SmallVec<[Place; 3]> {
        {
            let mut inner = self.inner.lock();
            if let Some(entry) = inner.entry_mut(slot, id)
                && standing.version >= entry.standing.version
            {
                entry.standing = *standing;
            }
        }
        self.written(slot, id, written).unwrap_or_default()
    }

    /// Drops a task that had been forgotten.
    pub(in crate::queue::ledger) fn restore_forgotten(&self, slot: u32, id: TaskId) -> [Option<Place>; 3] {
        let mut inner = self.inner.lock();
        if inner.entry(slot, id).is_none() {
            return [None; 3];
        }
        inner.remove(slot).map_or([None; 3], |entry| entry.places())
    }

    pub(in crate::queue::ledger) fn restore_paused(&self, paused: bool) {
        self.inner.lock().paused = paused;
    }

    /// Everything has been read: the lane begins its work.
    pub(in crate::queue::ledger) fn restored(&self, now: Timestamp, max_interruptions: u32) -> Restored {
        let mut inner = self.inner.lock();
        let mut restored = Restored::default();
        let mut unsettled = Vec::new();
        let slots = inner.entries.iter().filter_map(|(slot, _)| u32::try_from(slot).ok()).collect::<Vec<_>>();
        for slot in slots {
            let Some(entry) = inner.at(slot) else { continue };
            let standing = entry.standing;
            let state = standing.state();
            inner.next_sequence = inner.next_sequence.max(standing.order.sequence() + 1);
            *inner.counts.of(state) += 1;
            if state.is_ending() {
                inner.take_down_owed(slot);
                restored.ended.extend(inner.ended(slot));
            } else if standing.mode == Mode::Stream || state == TaskState::Running {
                unsettled.push(slot);
            }
            if state.is_waiting() {
                restored.waiting += 1;
                inner.wait(slot);
            } else if state == TaskState::Running {
                inner.running.insert(slot, Hold { request: RequestId(0), until: Instant::now() });
            }
        }
        for slot in unsettled {
            let Some(standing) = inner.at(slot).map(|entry| entry.standing) else { continue };
            let ran = standing.phase == Phase::Running;
            restored.interrupted += u64::from(ran);
            let change = match (standing.mode, ran) {
                (Mode::Stream, true) => {
                    inner.at_mut(slot).map(|entry| entry.apply(client_gone()));
                    inner.leave_running(slot, Phase::Cancelled(now), false)
                }
                (Mode::Stream, false) => inner.end_waiting(slot, client_gone(), now),
                _ => inner.give_back(slot, Some(max_interruptions), now).1,
            };
            restored.changes.push(change);
        }
        restored.next = inner.timers.next();
        restored
    }
}

/// A stream's client held its connection to the balancer that died.
fn client_gone() -> Settlement {
    let error = "The balancer stopped while the client waited for the stream".into();
    Settlement::Cancel { attempt: None, error, code: ErrorCode::ClientGone }
}
