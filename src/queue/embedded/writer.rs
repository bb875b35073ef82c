//! What is done to write the log: a group of changes at a time.

mod tidy;
mod trouble;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::{io, mem, vec};

use self::tidy::Tidy;
use self::trouble::Trouble;
use super::codec;
use super::frame::FrameError;
use super::journal::{Batch, Journal};
use super::log::{Group, Log};
use super::reader::Reader;
use super::reserve::Reserve;
use super::space::Space;
use crate::queue::Sealer;
use crate::queue::ledger::{EntryRef, Ledger, Note, Part, Place, Written};
use crate::task::TaskId;

/// A group ends after so many bytes: what waits behind it is not held up for long.
const GROUP_BYTES: usize = 4 << 20;
/// A batch of not more than that is written by whoever waits for it: it is a copy within memory, of some microseconds.
const SMALL_BYTES: usize = 256 << 10;

/// The one who writes the log.
pub(super) struct Writer {
    ledger: Arc<Ledger<Journal>>,
    journal: Arc<Journal>,
    log: Log,
    reader: Reader,
    sealer: Arc<Sealer>,
    space: Space,
    tidy: Tidy,
    reserve: Reserve,
    buffer: Vec<u8>,
    marks: Vec<Mark>,
    /// What somebody began to write and could not.
    unfinished: Option<Job>,
}

/// A batch, and what of it is still to be written.
struct Job {
    notes: vec::IntoIter<Note>,
    batch: Batch,
}

impl Job {
    fn of(mut batch: Batch) -> Self {
        Self { notes: mem::take(&mut batch.notes).into_iter(), batch }
    }
}

/// An entry in the buffer whose place the books want to know.
struct Mark {
    entry: EntryRef,
    id: TaskId,
    version: u32,
    part: Part,
    range: std::ops::Range<usize>,
}

impl Writer {
    pub(super) fn new(
        ledger: Arc<Ledger<Journal>>,
        log: Log,
        sealer: Arc<Sealer>,
        space: Space,
        reserve: Reserve,
        step: u64,
    ) -> Self {
        let journal = Arc::clone(ledger.store());
        let reader = Reader::new(log.reader(), Arc::clone(&sealer));
        let (tidy, buffer, marks) = (Tidy::new(step), Vec::new(), Vec::new());
        Self { ledger, journal, log, reader, sealer, space, tidy, reserve, buffer, marks, unfinished: None }
    }

    /// What the thread does when it is called, and every now and then: writes what there is, however often it takes, answers whoever
    /// waited for it, and looks after the log.
    pub(super) fn work(&mut self) {
        if let Some(mut job) = self.unfinished.take().or_else(|| self.journal.take().map(Job::of)) {
            let mut trouble = Trouble::default();
            while let Err(error) = self.write(&mut job) {
                if !trouble.met(&error, &self.journal, &mut self.reserve, &mut job.batch) {
                    return;
                }
            }
            trouble.over(&self.journal, &self.reserve);
            // Before anybody is answered: what follows a change that got through is not refused.
            self.look_after_room();
            self.answer(job.batch);
        }
        self.look_after_room();
        self.tidy_up();
    }

    /// Writes what there is, if that cannot take long. `false` if it is left to the thread.
    pub(super) fn write_here(&mut self) -> bool {
        if !self.log.is_quick() || !self.reserve.is_held() || self.unfinished.is_some() {
            return false;
        }
        let Some(batch) = self.journal.take_small(SMALL_BYTES) else { return false };
        let mut job = Job::of(batch);
        if self.write(&mut job).is_err() {
            // The thread knows what to do about it.
            self.unfinished = Some(job);
            return false;
        }
        self.journal.done(&job.batch);
        if self.has_to_tidy() {
            self.journal.call();
        }
        true
    }

    fn answer(&mut self, batch: Batch) {
        self.journal.done(&batch);
        for waiter in batch.waiters {
            // Whoever asked may be gone.
            let _ = waiter.send(Ok(()));
        }
        for (stored, answer) in batch.reads {
            let _ = answer.send(self.reader.load(stored).map_err(Into::into));
        }
    }

    /// Writes what is left of a job, in one group unless it is large. After an error it can be called again, and goes on.
    fn write(&mut self, job: &mut Job) -> io::Result<()> {
        loop {
            while self.buffer.len() < GROUP_BYTES
                && let Some(note) = job.notes.next()
            {
                self.write_down(note);
            }
            if self.buffer.is_empty() {
                return Ok(());
            }
            let group = self.log.append(&self.buffer)?;
            self.take_down(group);
            self.buffer.clear();
        }
    }

    fn write_down(&mut self, note: Note) {
        let written = match note {
            Note::Added { entry, spec, standing } => {
                let range = codec::put_task(&mut self.buffer, &spec, &standing, &self.sealer);
                self.mark(entry, spec.id, standing.version, Part::Task, range)
            }
            Note::Changed { entry, id, standing, attempts, end } => {
                let part = Part::Change { attempts: attempts.is_some(), end: end.is_some() };
                let range = codec::put_change(&mut self.buffer, id, &standing, attempts.as_deref(), end.as_ref());
                self.mark(entry, id, standing.version, part, range)
            }
            Note::Forgotten { id, places, told } => {
                places.into_iter().flatten().for_each(|place| self.space.useless(place));
                if told { codec::put_forgotten(&mut self.buffer, id) } else { Ok(()) }
            }
            Note::Paused { lane, paused } => codec::put_lane(&mut self.buffer, &lane, paused),
        };
        if let Err(error) = written {
            tracing::error!(%error, "a change cannot be written down: it will be unknown after a restart");
        }
    }

    fn mark(
        &mut self,
        entry: EntryRef,
        id: TaskId,
        version: u32,
        part: Part,
        range: Result<std::ops::Range<usize>, FrameError>,
    ) -> Result<(), FrameError> {
        self.marks.push(Mark { entry, id, version, part, range: range? });
        Ok(())
    }

    /// Tells the books where everything is.
    fn take_down(&mut self, group: Group) {
        self.space.group(group.start, group.end);
        for mark in self.marks.drain(..) {
            let length = u32::try_from(mark.range.len()).unwrap_or(u32::MAX);
            let place = Place { offset: group.entries + mark.range.start as u64, length };
            let written = Written { version: mark.version, place, part: mark.part };
            self.space.used(place);
            match self.ledger.written(mark.entry, mark.id, written) {
                Some(useless) => useless.into_iter().for_each(|place| self.space.useless(place)),
                None => self.space.useless(place),
            }
        }
    }

    /// Takes new tasks again once there is room for the ends of those that run.
    fn look_after_room(&mut self) {
        if self.reserve.is_held() {
            return;
        }
        self.reserve.take_for(&self.journal);
    }
}
