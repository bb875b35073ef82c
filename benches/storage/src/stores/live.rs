//! Which segments of a log still hold something, and how a log is read back.

use std::collections::{BTreeMap, HashMap};

use crate::store::{Id, OnTask, Place, QUEUED, State};

/// Bytes of a segment.
pub const SEGMENT: u64 = 64 * 1024 * 1024;

/// Live records of each segment. A bench settles in order, so a segment empties by itself; a real log must also copy the last few
/// live records of an old segment forward.
#[derive(Default)]
pub struct Live {
    segments: BTreeMap<u64, (u64, Place)>,
}

impl Live {
    /// Adds a record; it belongs to the group that begins at `beginning`.
    pub fn add(&mut self, place: Place, beginning: Place) {
        let (count, _) = self.segments.entry(place / SEGMENT).or_insert((0, beginning));
        *count += 1;
    }

    pub fn remove(&mut self, place: Place) {
        if let Some((count, _)) = self.segments.get_mut(&(place / SEGMENT)) {
            *count = count.saturating_sub(1);
        }
    }

    /// The first group that must be kept, if older ones can go.
    pub fn trim(&mut self, written: Place) -> Option<Place> {
        let mut changed = false;
        while let Some(first) = self.segments.first_entry() {
            let (count, place) = *first.get();
            if count > 0 || *first.key() >= written / SEGMENT {
                return changed.then_some(place);
            }
            first.remove();
            changed = true;
        }
        changed.then_some(written)
    }
}

/// Rebuilds the tasks from a log's records.
#[derive(Default)]
pub struct Replay {
    tasks: HashMap<Id, (Place, Place, State, Vec<u8>)>,
}

impl Replay {
    /// Takes one record: its place, where its group begins, kind, id, metadata.
    pub fn take(&mut self, place: Place, beginning: Place, kind: u8, id: Id, meta: &[u8]) {
        let state = if kind == QUEUED { State::Queued } else { State::Ended };
        self.tasks.insert(id, (place, beginning, state, meta.to_vec()));
    }

    pub fn finish(self, live: &mut Live, each: &mut OnTask<'_>) {
        let mut tasks: Vec<_> = self.tasks.into_iter().collect();
        tasks.sort_unstable_by_key(|(_, (place, ..))| *place);
        for (id, (place, beginning, state, meta)) in tasks {
            live.add(place, beginning);
            each(id, place, state, &meta);
        }
    }
}
