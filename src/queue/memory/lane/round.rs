//! What falls due in a lane.

use tokio::time::Instant;

use super::{Change, Lane};
use crate::queue::{Released, Settlement};
use crate::task::{ErrorCode, TaskId, Timestamp};

/// What a round found.
#[derive(Debug, Default)]
pub(in crate::queue::memory) struct Round {
    pub(in crate::queue::memory) changes: Vec<Change>,
    /// Some task has become claimable.
    pub(in crate::queue::memory) claimable: bool,
    /// When the next timer of the lane goes off.
    pub(in crate::queue::memory) next: Option<Timestamp>,
}

impl Lane {
    /// Does what fell due: delayed tasks become claimable, old ones expire, lost leases are taken back.
    pub(in crate::queue::memory) fn round(&self, now: Timestamp, max_interruptions: u32) -> Round {
        let mut inner = self.inner.lock();
        let mut round = Round::default();
        while let Some((_, id)) = inner.timers.first().copied().filter(|(at, _)| *at <= now) {
            if inner.entries.get(&id).is_some_and(|entry| entry.spec.expires_at <= now) {
                round.changes.push(inner.end_waiting(id, expired(), now));
            } else if inner.promote(id) {
                round.claimable = true;
            } else {
                // A timer without a reason to be there would come up for ever.
                inner.timers.pop_first();
            }
        }
        let monotonic = Instant::now();
        let late = |id: &&TaskId| inner.entries.get(*id).is_some_and(|entry| entry.lease_until <= monotonic);
        let lost: Vec<TaskId> = inner.running.iter().filter(late).copied().collect();
        for id in lost {
            let (released, change) = inner.give_back(id, Some(max_interruptions), now);
            round.claimable |= released == Released::Waits;
            round.changes.push(change);
        }
        round.next = inner.timers.first().map(|(at, _)| *at);
        round
    }
}

fn expired() -> Settlement {
    Settlement::Fail { attempt: None, error: "The task waited too long".into(), code: ErrorCode::Expired, result: None }
}
