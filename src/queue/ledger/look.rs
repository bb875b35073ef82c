//! Looking at the books.

use super::Ledger;
use super::detail::Seen;
use super::lane::Lane;
use super::standing::Standing;
use super::store::{EntryRef, Store};
use crate::queue::{LaneCounts, StateCounts, TaskFilter};
use crate::task::{LaneKey, TaskId};

/// What the books know of a task.
#[derive(Debug)]
pub(in crate::queue) struct Look {
    pub(in crate::queue) standing: Standing,
    pub(in crate::queue) seen: Seen,
}

impl<S: Store> Ledger<S> {
    pub(in crate::queue) fn look(&self, id: TaskId) -> Option<Look> {
        self.look_at(self.index.get(id)?, id)
    }

    fn look_at(&self, entry: EntryRef, id: TaskId) -> Option<Look> {
        let (standing, seen) = self.lanes.of(entry)?.look(entry.slot, id)?;
        Some(Look { standing, seen })
    }

    /// Up to `limit` tasks older than `before`, newest first, in portions: no lock is held while records are compared. What the books
    /// alone show not to match is left out already. Also says where the next portion begins; `None` at the end.
    pub(in crate::queue) fn portion(
        &self,
        filter: &TaskFilter,
        before: Option<TaskId>,
        limit: usize,
    ) -> (Vec<Look>, Option<TaskId>) {
        let portion = self.index.newest_before(before, limit);
        let oldest = portion.last().map(|(id, _)| *id);
        let may_match = |lane: &Lane<S>, standing: Standing| filter.may_match(lane.key(), standing.state());
        let looks = portion.into_iter().filter_map(|(id, entry)| {
            let lane = self.lanes.of(entry)?;
            lane.standing(entry.slot, id).filter(|standing| may_match(&lane, *standing))?;
            self.look_at(entry, id)
        });
        (looks.collect(), oldest)
    }

    pub(in crate::queue) fn position(&self, id: TaskId) -> Option<u64> {
        let entry = self.index.get(id)?;
        self.lanes.of(entry)?.position(entry.slot, id)
    }

    pub(in crate::queue) fn counts(&self) -> Vec<LaneCounts> {
        self.lanes.all().iter().map(|lane| lane.counts()).collect()
    }

    pub(in crate::queue) fn lane_counts(&self, lane: &LaneKey) -> LaneCounts {
        let unknown = || LaneCounts { lane: lane.clone(), counts: StateCounts::default(), paused: false };
        self.lanes.get(lane).map_or_else(unknown, |lane| lane.counts())
    }
}
