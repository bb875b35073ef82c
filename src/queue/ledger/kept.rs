//! What the store's writer asks of the books, and tells them.

use smallvec::SmallVec;

use super::Ledger;
use super::detail::{End, Place};
use super::entry::Written;
use super::standing::Standing;
use super::store::{EntryRef, Store};
use crate::task::{Attempt, LaneKey, TaskId};

/// Where a task stands, and where the store has it.
#[derive(Debug)]
pub(in crate::queue) struct Whereabouts {
    pub(in crate::queue) entry: EntryRef,
    pub(in crate::queue) standing: Standing,
    /// Its fixed part first.
    pub(in crate::queue) places: [Option<Place>; 3],
    /// Its attempts, if the store may not have all of them.
    pub(in crate::queue) attempts: Option<Vec<Attempt>>,
    /// Its end, if the store may not have it.
    pub(in crate::queue) end: Option<End>,
}

impl<S: Store> Ledger<S> {
    /// The store has a part of a task. Gives the places that are of no use any more, or nothing if the task is not there any more.
    pub(in crate::queue) fn written(
        &self,
        entry: EntryRef,
        id: TaskId,
        written: Written,
    ) -> Option<SmallVec<[Place; 3]>> {
        self.lanes.of(entry)?.written(entry.slot, id, written)
    }

    /// Where a task stands, and where the store has it.
    pub(in crate::queue) fn places(&self, id: TaskId) -> Option<Whereabouts> {
        let entry = self.index.get(id)?;
        self.lanes.of(entry)?.places(entry.slot, id)
    }

    /// The lanes that are paused.
    pub(in crate::queue) fn paused_lanes(&self) -> Vec<LaneKey> {
        self.lanes.all().iter().filter(|lane| lane.counts().paused).map(|lane| lane.key().clone()).collect()
    }
}
