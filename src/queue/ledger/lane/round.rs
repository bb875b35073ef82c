//! What falls due in a lane.

use tokio::time::Instant;

use super::{Change, Lane};
use crate::queue::ledger::store::Store;
use crate::queue::{Released, Settlement};
use crate::task::{ErrorCode, Timestamp};

/// How many timers one look at a lane goes through: no claim waits longer for its lock.
const PORTION: usize = 256;

/// What a round found.
#[derive(Debug, Default)]
pub(in crate::queue::ledger) struct Round {
    pub(in crate::queue::ledger) changes: Vec<Change>,
    /// Some task has become claimable.
    pub(in crate::queue::ledger) claimable: bool,
    /// When the next timer of the lane goes off; a moment that has passed if there is more to do.
    pub(in crate::queue::ledger) next: Option<Timestamp>,
}

impl<S: Store> Lane<S> {
    /// Does what fell due: delayed tasks become claimable, old ones expire, lost leases are taken back.
    pub(in crate::queue::ledger) fn round(&self, now: Timestamp, max_interruptions: u32) -> Round {
        let mut inner = self.inner.lock();
        let mut round = Round::default();
        for slot in inner.timers.delays_over(now, PORTION) {
            round.claimable |= inner.promote(slot);
        }
        for slot in inner.timers.expired(now, PORTION) {
            round.changes.push(inner.end_waiting(slot, expired(), now));
        }
        let monotonic = Instant::now();
        let late = inner.running.iter().filter(|(_, hold)| hold.until <= monotonic);
        let lost: Vec<u32> = late.map(|(slot, _)| *slot).take(PORTION).collect();
        for slot in lost {
            let (released, change) = inner.give_back(slot, Some(max_interruptions), now);
            round.claimable |= released == Released::Waits;
            round.changes.push(change);
        }
        round.next = inner.timers.next();
        round
    }
}

fn expired() -> Settlement {
    Settlement::Fail { attempt: None, error: "The task waited too long".into(), code: ErrorCode::Expired, result: None }
}
