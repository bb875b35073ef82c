//! The books come back from their store.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::Ledger;
use super::detail::Place;
use super::entry::{Entry, Part, Written};
use super::standing::Standing;
use super::store::{EntryRef, Store};
use crate::task::{IdempotencyKey, LaneKey, TaskId};

/// A task as the store has it.
#[derive(Debug)]
pub(in crate::queue) struct StoredTask {
    pub(in crate::queue) id: TaskId,
    pub(in crate::queue) lane: LaneKey,
    pub(in crate::queue) standing: Standing,
    pub(in crate::queue) runs_once: bool,
    pub(in crate::queue) key: Option<IdempotencyKey>,
}

/// What was found in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::queue) struct Recovered {
    /// Tasks that wait.
    pub(in crate::queue) waiting: u64,
    /// Tasks that ran when the last process ended.
    pub(in crate::queue) interrupted: u64,
    /// Tasks that had ended.
    pub(in crate::queue) ended: u64,
}

impl<S: Store> Ledger<S> {
    /// Takes in a task, or a copy of it. Gives the places that are of no use.
    pub(in crate::queue) fn restore_task(&self, task: StoredTask, place: Place) -> SmallVec<[Place; 3]> {
        let StoredTask { id, lane, standing, runs_once, key } = task;
        let lane = self.lanes.get_or_make(&lane);
        let added = self.index.insert(id, || {
            let entry = Entry::stored(id, standing, place, runs_once, key.is_some());
            (Some(EntryRef { lane: lane.number(), slot: lane.restore(entry) }), ())
        });
        if added.is_none() {
            let written = Written { version: standing.version, place, part: Part::Task };
            return self.restore_part(id, &standing, written);
        }
        if let Some(key) = key {
            self.keys.restore(key, id);
        }
        SmallVec::new()
    }

    /// Takes in what changed about a task. Gives the places that are of no use.
    pub(in crate::queue) fn restore_part(
        &self,
        id: TaskId,
        standing: &Standing,
        written: Written,
    ) -> SmallVec<[Place; 3]> {
        let known = self.index.get(id).and_then(|entry| Some((entry, self.lanes.of(entry)?)));
        match known {
            Some((entry, lane)) => lane.restore_part(entry.slot, id, standing, written),
            // It was forgotten, and its beginning is gone already.
            None => SmallVec::from_slice(&[written.place]),
        }
    }

    /// Drops a task that had been forgotten. Gives the places that are of no use.
    pub(in crate::queue) fn restore_forgotten(&self, id: TaskId) -> [Option<Place>; 3] {
        let Some(entry) = self.index.get(id) else { return [None; 3] };
        self.index.remove(id);
        self.keys.remove(id);
        self.lanes.of(entry).map_or([None; 3], |lane| lane.restore_forgotten(entry.slot, id))
    }

    pub(in crate::queue) fn restore_paused(&self, lane: &LaneKey, paused: bool) {
        self.lanes.get_or_make(lane).restore_paused(paused);
    }

    /// Everything has been read: the books are open.
    pub(in crate::queue) fn restored(&self) -> Recovered {
        let mut recovered = Recovered::default();
        let now = self.clock.now();
        for lane in self.lanes.all() {
            let restored = lane.restored(now, self.limits.max_interruptions);
            recovered.interrupted += restored.interrupted;
            self.waiting.fetch_add(restored.waiting, Ordering::Relaxed);
            for ended in restored.ended.iter().filter(|ended| !ended.owes_notice) {
                self.history.add(EntryRef { lane: lane.number(), slot: ended.slot }, ended);
            }
            for change in &restored.changes {
                self.follow(lane.number(), change);
            }
            if let Some(at) = restored.next {
                self.alarm.set(at);
            }
        }
        // What had been forgotten before is not seen again.
        self.evict(usize::MAX);
        recovered.ended = self.history.len();
        recovered.waiting = self.waiting.load(Ordering::Relaxed);
        recovered
    }
}
