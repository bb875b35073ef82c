//! Places in a lane: what runs again, and who stands where.

use super::{Change, Lane};
use crate::queue::ledger::standing::Phase;
use crate::queue::ledger::store::Store;
use crate::queue::{MAX_POSITION, OwedNotice, Requeued};
use crate::task::{TaskId, Timestamp};

/// How many priorities are looked at for the oldest task, for the lock's sake.
const PRIORITIES: usize = 32;

impl<S: Store> Lane<S> {
    /// Has a task that has ended wait again, behind its equals.
    pub(in crate::queue::ledger) fn requeue(&self, slot: u32, id: TaskId, expires_at: Timestamp) -> (Requeued, Change) {
        let mut inner = self.inner.lock();
        let sequence = inner.next_sequence;
        let Some(entry) = inner.entry_mut(slot, id) else { return (Requeued::Unknown, Change::default()) };
        let before = entry.standing.state();
        let Some(ended_at) = entry.standing.phase.finished_at() else {
            return (Requeued::NotEnded, Change::default());
        };
        entry.begin_again(sequence, expires_at);
        inner.next_sequence += 1;
        inner.owed.remove(&OwedNotice { ended_at, task: id });
        *inner.counts.of(before) -= 1;
        inner.counts.queued += 1;
        let alarm = inner.wait(slot);
        inner.note(slot, false, false);
        (Requeued::Done, Change { waiting: 1, alarm, revived: Some((id, ended_at)), ..Change::default() })
    }

    /// How many tasks are claimed before this one.
    pub(in crate::queue::ledger) fn position(&self, slot: u32, id: TaskId) -> Option<u64> {
        let inner = self.inner.lock();
        let queued = inner.entry(slot, id).filter(|entry| entry.standing.phase == Phase::Queued)?;
        // A bounded count, for the lock's sake.
        let before = inner.ready.range(..queued.standing.order).take(MAX_POSITION + 1).count();
        (before <= MAX_POSITION).then_some(before as u64)
    }

    /// When the oldest queued task was submitted. Equals stand by arrival, so the first of each priority is enough; of priorities
    /// beyond the first [`PRIORITIES`] nothing is known.
    pub(in crate::queue::ledger) fn oldest_queued(&self) -> Option<Timestamp> {
        let inner = self.inner.lock();
        let mut next = inner.ready.first_key_value();
        let mut oldest: Option<Timestamp> = None;
        for _ in 0..PRIORITIES {
            let Some((order, slot)) = next else { break };
            let submitted = inner.entries.get(*slot as usize).map(|entry| entry.id.submitted_at());
            oldest = oldest.into_iter().chain(submitted).min();
            next = inner.ready.range(order.last_of_equals()..).next();
        }
        oldest
    }
}
