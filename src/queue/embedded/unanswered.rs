//! Callers that go away before their answer.

use super::EmbeddedQueue;
use crate::queue::Lease;
use crate::task::LaneKey;

/// Something was done for a caller who has not been told yet. If it goes away before, nobody would run what was claimed for it, nor
/// look after what it put into the lane: the claim is given back, and the lane's keeper told.
pub(super) struct Unanswered<'a> {
    queue: &'a EmbeddedQueue,
    lane: LaneKey,
    lease: Option<Lease>,
    answered: bool,
}

impl EmbeddedQueue {
    pub(super) fn unanswered(&self, lane: &LaneKey, lease: Option<&Lease>) -> Unanswered<'_> {
        Unanswered { queue: self, lane: lane.clone(), lease: lease.cloned(), answered: false }
    }
}

impl Unanswered<'_> {
    /// The caller is about to be told.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        if let Some(lease) = &self.lease {
            // If the lease is lost, somebody else looks after the task.
            let _ = self.queue.ledger.release(lease, false);
        }
        self.queue.ledger.tell_claimable(&self.lane);
    }
}
