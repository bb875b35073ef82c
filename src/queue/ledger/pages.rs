//! Tasks by filter, page by page.

use super::look::Look;
use super::store::Store;
use super::{EntryRef, Ledger};
use crate::queue::{QueueError, TaskFilter, TaskPage};
use crate::task::{TaskId, TaskRecord};

/// How many tasks are gone through between two pauses.
const PORTION: usize = 1_000;
/// How many of them are looked at in detail at once: about a page.
const IN_DETAIL: usize = 64;

/// Whoever makes records of what the books know.
pub(in crate::queue) trait Records: Sync {
    /// The records of tasks; those that have gone meanwhile, or cannot be read, are left out.
    fn records(&self, looks: Vec<Look>) -> impl Future<Output = Result<Vec<TaskRecord>, QueueError>> + Send;
}

impl<S: Store> Ledger<S> {
    /// Tasks that match, newest first. No lock is held while records are compared, and what the books alone show not to match is
    /// never looked at in detail.
    pub(in crate::queue) async fn list(
        &self,
        filter: &TaskFilter,
        source: &impl Records,
    ) -> Result<TaskPage, QueueError> {
        let mut page = TaskPage::default();
        let mut before = filter.before;
        loop {
            let portion = self.index.newest_before(before, PORTION);
            let Some((oldest, _)) = portion.last() else { return Ok(page) };
            for tasks in portion.chunks(IN_DETAIL) {
                let looks = tasks.iter().filter_map(|(id, entry)| self.look_if(*entry, *id, filter)).collect();
                if !page.extend(source.records(looks).await?, filter) {
                    return Ok(page);
                }
            }
            before = Some(*oldest);
            tokio::task::yield_now().await;
        }
    }

    fn look_if(&self, entry: EntryRef, id: TaskId, filter: &TaskFilter) -> Option<Look> {
        let lane = self.lanes.of(entry)?;
        lane.look_if(entry.slot, id, |standing| filter.may_match(lane.key(), standing.state()))
    }

    /// Forgets, on request, the ended tasks that match; says how many.
    pub(in crate::queue) async fn purge(&self, filter: &TaskFilter, source: &impl Records) -> Result<u64, QueueError> {
        let mut filter = TaskFilter { limit: PORTION, ..filter.clone() };
        let mut purged = 0;
        loop {
            let page = self.list(&filter, source).await?;
            let ended = page.tasks.iter().filter_map(|record| Some((record.spec.id, record.finished_at?)));
            purged += ended.filter(|(id, at)| self.purge_one(*id, *at)).count() as u64;
            match page.next {
                Some(next) => filter.before = Some(next),
                None => return Ok(purged),
            }
        }
    }
}
