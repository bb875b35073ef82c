//! What a ledger wants of a store.

use std::fmt::Debug;
use std::sync::Arc;

use super::detail::{End, Place};
use super::standing::Standing;
use crate::task::{Attempt, LaneKey, TaskId, TaskSpec};

/// Whoever keeps a ledger's tasks beyond this process.
pub(in crate::queue) trait Store: Debug + Send + Sync + 'static {
    /// Whether there is anything beyond this process. Else nothing is noted, and everything stays in memory.
    const KEEPS: bool;

    /// Something has changed. Called in the order of changes, under a lane's lock: it only takes the note down.
    fn note(&self, note: Note);
}

/// Which entry of a ledger is meant: its lane, and its slot there. The slot may have been given to another task since: whoever comes
/// back with it names the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) struct EntryRef {
    pub(in crate::queue) lane: u32,
    pub(in crate::queue) slot: u32,
}

/// A change, for the store.
#[derive(Debug)]
pub(in crate::queue) enum Note {
    /// A task is new.
    Added { entry: EntryRef, spec: Arc<TaskSpec>, standing: Standing },
    /// A task stands differently; its attempts and its end are told if they changed.
    Changed { entry: EntryRef, id: TaskId, standing: Standing, attempts: Option<Vec<Attempt>>, end: Option<End> },
    /// A task is of no interest any more: what the store holds of it is waste. `told` if it must not come back after a restart;
    /// else the limits of retention find it again.
    Forgotten { id: TaskId, places: [Option<Place>; 3], told: bool },
    /// A lane was paused or resumed.
    Paused { lane: LaneKey, paused: bool },
}

impl Note {
    /// Bytes of clients and workers in it.
    pub(in crate::queue) fn payload(&self) -> usize {
        match self {
            Self::Added { spec, .. } => spec.body.len(),
            Self::Changed { end: Some(End { result: Some(result), .. }), .. } => result.body.len(),
            Self::Changed { .. } | Self::Forgotten { .. } | Self::Paused { .. } => 0,
        }
    }
}

/// No store: everything stays in memory.
#[derive(Debug)]
pub(in crate::queue) struct NoStore;

impl Store for NoStore {
    const KEEPS: bool = false;

    fn note(&self, _: Note) {}
}
