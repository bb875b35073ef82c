//! Places in a lane: what runs again, and who stands where.

use super::{Change, Lane};
use crate::queue::{MAX_POSITION, Requeued};
use crate::task::{TaskId, TaskState, Timestamp};

impl Lane {
    /// Has a task that has ended wait again, behind its equals.
    pub(in crate::queue::memory) fn requeue(&self, id: TaskId, expires_at: Timestamp) -> (Requeued, Change) {
        let mut inner = self.inner.lock();
        let sequence = inner.next_sequence;
        let Some(entry) = inner.entries.get_mut(&id) else { return (Requeued::Unknown, Change::default()) };
        let Some(ended_at) = entry.finished_at else { return (Requeued::NotEnded, Change::default()) };
        let before = entry.state;
        entry.begin_again(sequence, expires_at);
        inner.next_sequence += 1;
        *inner.counts.of(before) -= 1;
        inner.counts.queued += 1;
        let alarm = inner.wait(id);
        (Requeued::Done, Change { waiting: 1, alarm, revived: Some((id, ended_at)), ..Change::default() })
    }

    /// How many tasks are claimed before this one.
    pub(in crate::queue::memory) fn position(&self, id: TaskId) -> Option<u64> {
        let inner = self.inner.lock();
        let order = inner.entries.get(&id).filter(|entry| entry.state == TaskState::Queued)?.order();
        // A bounded count, for the lock's sake.
        let before = inner.ready.range(..order).take(MAX_POSITION + 1).count();
        (before <= MAX_POSITION).then_some(before as u64)
    }
}
