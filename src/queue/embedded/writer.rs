//! The one who writes the log: one thread, a group of changes at a time.

mod tidy;
mod trouble;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;
use std::{mem, thread};

use self::tidy::Tidy;
use self::trouble::Trouble;
use super::codec;
use super::frame::FrameError;
use super::journal::{Batch, Journal, Work};
use super::log::{Group, Log};
use super::reader::Reader;
use super::reserve::Reserve;
use super::space::Space;
use crate::queue::Sealer;
use crate::queue::ledger::{EntryRef, Ledger, Note, Part, Place, Written};
use crate::task::TaskId;

/// A group ends after so many bytes: what waits behind it is not held up for long.
const GROUP_BYTES: usize = 4 << 20;
/// How long to wait for work before looking after the log itself.
const PATIENCE: Duration = Duration::from_millis(250);

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
}

/// An entry in the buffer whose place the books want to know.
struct Mark {
    entry: EntryRef,
    id: TaskId,
    version: u32,
    part: Part,
    range: std::ops::Range<usize>,
}

/// The thread at work; stopped and waited for when this is dropped.
#[derive(Debug)]
pub(super) struct WriterThread {
    journal: Arc<Journal>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.journal.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the queue's log broke down");
        }
    }
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
        Self { ledger, journal, log, reader, sealer, space, tidy, reserve, buffer, marks }
    }

    /// Begins the work on a thread of its own.
    pub(super) fn start(self) -> std::io::Result<WriterThread> {
        let journal = Arc::clone(&self.journal);
        let thread = thread::Builder::new().name("queue-log".to_owned()).spawn(move || self.run())?;
        Ok(WriterThread { journal, thread: Some(thread) })
    }

    fn run(mut self) {
        loop {
            match self.journal.take(PATIENCE) {
                Work::Batch(batch) => self.work(batch),
                Work::Idle => {}
                Work::Closed => return,
            }
            self.look_after_room();
            self.tidy_up();
        }
    }

    /// Writes a batch, in one group unless it is large; then answers whoever waited for it.
    fn work(&mut self, mut batch: Batch) {
        let mut notes = mem::take(&mut batch.notes).into_iter().peekable();
        while notes.peek().is_some() {
            while self.buffer.len() < GROUP_BYTES
                && let Some(note) = notes.next()
            {
                self.write_down(note);
            }
            if !self.write_group(&mut batch) {
                return;
            }
        }
        // Before anybody is answered: what follows a change that got through is not refused.
        self.look_after_room();
        for waiter in batch.waiters {
            // Whoever asked may be gone.
            let _ = waiter.send(Ok(()));
        }
        for (stored, answer) in batch.reads {
            let _ = answer.send(self.reader.load(stored).map_err(Into::into));
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

    /// Writes what is in the buffer, however often it takes; whoever waits is told if it takes long. `false` if the store is closed
    /// before it succeeds.
    fn write_group(&mut self, batch: &mut Batch) -> bool {
        let buffer = mem::take(&mut self.buffer);
        let mut trouble = Trouble::default();
        let group = loop {
            if buffer.is_empty() {
                break None;
            }
            match self.log.append(&buffer) {
                Ok(group) => break Some(group),
                Err(error) => {
                    if !trouble.met(&error, &self.journal, &mut self.reserve, batch) {
                        return false;
                    }
                }
            }
        };
        trouble.over(&self.journal, &self.reserve);
        if let Some(group) = group {
            self.take_down(group);
        }
        self.buffer = buffer;
        self.buffer.clear();
        true
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
