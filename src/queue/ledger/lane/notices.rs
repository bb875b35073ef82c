//! Which tasks of a lane owe a notice.

use std::ops::Bound::{Excluded, Unbounded};

use super::inner::Inner;
use super::{Ended, Lane};
use crate::queue::OwedNotice;
use crate::queue::ledger::store::Store;

impl<S: Store> Lane<S> {
    /// Up to `limit` notices that are owed, oldest first, after that one.
    pub(in crate::queue::ledger) fn owed_notices(&self, after: Option<&OwedNotice>, limit: usize) -> Vec<OwedNotice> {
        let inner = self.inner.lock();
        let from = after.map_or(Unbounded, Excluded);
        inner.owed.range::<OwedNotice, _>((from, Unbounded)).take(limit).copied().collect()
    }

    /// A notice is owed no more. Gives the task's end, unless it did not owe this one.
    pub(in crate::queue::ledger) fn notice_done(&self, slot: u32, notice: &OwedNotice) -> Option<Ended> {
        let mut inner = self.inner.lock();
        if !inner.owed.remove(notice) {
            return None;
        }
        inner.entry_mut(slot, notice.task)?.notice_is_done();
        inner.note(slot, false, false);
        inner.ended(slot)
    }
}

impl<S: Store> Inner<S> {
    /// Takes down that a task owes a notice, if it does.
    pub(super) fn take_down_owed(&mut self, slot: u32) {
        let owed = self.at(slot).and_then(|entry| {
            let ended_at = entry.standing.phase.finished_at().filter(|_| entry.standing.owes_notice)?;
            Some(OwedNotice { ended_at, task: entry.id })
        });
        self.owed.extend(owed);
    }
}
