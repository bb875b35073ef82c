//! What the readable entries of a log say about each task.

use std::collections::{BTreeMap, BTreeSet};

use crate::queue::embedded::codec::{self, FORMAT};
use crate::queue::embedded::frame::{Frame, FrameError, Kind};
use crate::queue::ledger::{Part, Place, Standing, Stored};
use crate::task::{LaneKey, TaskId};

/// What is known of a task. It is put together as the ledger does it when the log is opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) standing: Standing,
    /// The fixed part; without it nothing else is of use.
    pub(super) task: Option<Place>,
    history: Option<(Place, u32)>,
    end: Option<(Place, u32)>,
}

/// All tasks, and the lanes that are paused.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    tasks: BTreeMap<TaskId, Known>,
    paused: BTreeSet<LaneKey>,
    unknown_format: Option<u32>,
}

impl Known {
    const fn of(standing: Standing) -> Self {
        Self { standing, task: None, history: None, end: None }
    }

    fn change(&mut self, standing: Standing, place: Place, attempts: bool, end: bool) {
        let version = standing.version;
        if version >= self.standing.version {
            self.standing = standing;
        }
        if attempts && self.history.is_none_or(|(_, known)| known <= version) {
            self.history = Some((place, version));
        }
        if end && self.end.is_none_or(|(_, known)| known <= version) {
            self.end = Some((place, version));
        }
        if !self.standing.state().is_ending() {
            self.end = None;
        }
    }

    /// Where its parts lie, the fixed one first; each place once.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let history = self.history.map(|(place, _)| place);
        let end = self.end.map(|(place, _)| place).filter(|end| Some(*end) != history);
        [self.task, history, end].into_iter().flatten()
    }

    /// The same for whoever reads them.
    pub(super) fn stored(&self, id: TaskId) -> Option<Stored> {
        let (history, end) = (self.history.map(|(place, _)| place), self.end.map(|(place, _)| place));
        Some(Stored { id, task: self.task?, history, end, ending: None })
    }

    /// Whether attempts or the end are not there, although there were some.
    pub(super) const fn lacks_something(&self) -> bool {
        (self.standing.attempts > 0 && self.history.is_none())
            || (self.standing.state().is_ending() && self.end.is_none())
    }
}

impl Catalogue {
    /// Takes in an entry; an error says that its body does not mean anything.
    pub(super) fn take_in(&mut self, place: Place, frame: Frame<'_>) -> Result<(), FrameError> {
        match frame.kind {
            Kind::Task => {
                let task = codec::read_task_head(frame.body)?;
                let known = self.tasks.entry(task.id).or_insert(Known::of(task.standing));
                known.task = Some(place);
                if task.standing.version >= known.standing.version {
                    known.standing = task.standing;
                }
            }
            Kind::Change => {
                let (id, standing, part) = codec::read_change_head(frame.body)?;
                let Part::Change { attempts, end } = part else { return Ok(()) };
                self.tasks.entry(id).or_insert(Known::of(standing)).change(standing, place, attempts, end);
            }
            Kind::Forgotten => drop(self.tasks.remove(&codec::read_forgotten(frame.body)?)),
            Kind::Lane => {
                let (lane, paused) = codec::read_lane(frame.body)?;
                if paused {
                    self.paused.insert(lane)
                } else {
                    self.paused.remove(&lane)
                };
            }
            Kind::Header => {
                let format = codec::read_header(frame.body)?;
                self.unknown_format = self.unknown_format.or((format != FORMAT).then_some(format));
            }
        }
        Ok(())
    }

    /// The form of the entries, if it is none that this version knows.
    pub(super) const fn unknown_format(&self) -> Option<u32> {
        self.unknown_format
    }

    /// The tasks whose fixed part is there, oldest first.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (TaskId, &Known)> {
        self.tasks.iter().filter(|(_, known)| known.task.is_some()).map(|(id, known)| (*id, known))
    }

    /// The tasks of which something is there, but not their fixed part.
    pub(super) fn orphans(&self) -> impl Iterator<Item = (TaskId, &Known)> {
        self.tasks.iter().filter(|(_, known)| known.task.is_none()).map(|(id, known)| (*id, known))
    }

    /// The lanes that are paused.
    pub(super) fn paused(&self) -> impl Iterator<Item = &LaneKey> {
        self.paused.iter()
    }
}
