//! Which tasks owe a notice.

use super::Ledger;
use super::store::{EntryRef, Store};
use crate::queue::OwedNotice;

impl<S: Store> Ledger<S> {
    /// Up to `limit` notices that are owed, oldest first, after that one.
    pub(in crate::queue) fn owed_notices(&self, after: Option<OwedNotice>, limit: usize) -> Vec<OwedNotice> {
        let mut owed: Vec<_> =
            self.lanes.all().iter().flat_map(|lane| lane.owed_notices(after.as_ref(), limit)).collect();
        owed.sort_unstable();
        owed.truncate(limit);
        owed
    }

    /// A notice is owed no more: from here on the limits of retention count its task.
    pub(in crate::queue) fn notice_done(&self, notice: &OwedNotice) {
        let Some(entry) = self.index.get(notice.task) else { return };
        let Some(lane) = self.lanes.of(entry) else { return };
        if let Some(ended) = lane.notice_done(entry.slot, notice) {
            self.keep_ended(EntryRef { lane: lane.number(), slot: entry.slot }, &ended);
        }
    }
}
