//! Keeps the log short: what is of use is copied away from its beginning, and the beginning is cut off.

use std::io;

use super::super::codec;
use super::super::frame::{self, Kind};
use super::{Mark, Writer};
use crate::queue::ledger::{Part, Place, Whereabouts};
use crate::task::TaskId;

/// Where the tidying up has got to.
#[derive(Debug)]
pub(super) struct Tidy {
    /// How many bytes are looked at between two batches.
    step: u64,
    /// The next group to look at, and where to stop.
    pub(super) from: Option<(u64, u64)>,
    /// Where the log is to begin, until it does.
    cut: Option<u64>,
    /// What is known of the lanes themselves, and may be in what is cut off, is written behind it.
    told: bool,
}

impl Tidy {
    pub(super) const fn new(step: u64) -> Self {
        Self { step, from: None, cut: None, told: false }
    }
}

impl Writer {
    /// Does a step of what there is to tidy up.
    pub(super) fn tidy_up(&mut self) {
        if let Err(error) = self.cut().and_then(|()| self.copy()) {
            tracing::warn!(%error, "cannot tidy up the queue's log");
        }
    }

    /// Whether there is something to tidy up.
    pub(super) fn has_to_tidy(&self) -> bool {
        self.tidy.cut.is_some()
            || self.tidy.from.is_some()
            || self.space.can_be_cut()
            || self.space.wasteful().is_some()
    }

    /// Cuts off what holds nothing of use.
    fn cut(&mut self) -> io::Result<()> {
        if let Some(start) = self.space.cut() {
            self.tidy.cut = Some(start);
            self.tidy.told = false;
        }
        let Some(start) = self.tidy.cut else { return Ok(()) };
        if !self.tidy.told {
            self.tell_of_lanes()?;
            self.tidy.told = true;
        }
        self.tidy.from = self.tidy.from.filter(|(from, _)| *from >= start);
        self.log.cut_before(start)?;
        self.tidy.cut = None;
        Ok(())
    }

    /// Writes anew what is of no task.
    fn tell_of_lanes(&mut self) -> io::Result<()> {
        for lane in self.ledger.paused_lanes() {
            codec::put_lane(&mut self.buffer, &lane, true).map_err(io::Error::other)?;
        }
        codec::put_header(&mut self.buffer).map_err(io::Error::other)?;
        self.append_copies()
    }

    /// Copies what is of use in the oldest file, a step of it, if the log is much larger than what is of use in it.
    fn copy(&mut self) -> io::Result<()> {
        let Some((mut at, stop)) = self.tidy.from.or_else(|| self.space.wasteful()) else { return Ok(()) };
        let began = at;
        while at < stop && at - began < self.tidy.step {
            let Some((group, entries)) = self.log.group(at)? else { break };
            for entry in frame::entries(&entries, group.entries) {
                let (place, frame) = entry.map_err(io::Error::other)?;
                if frame.kind == Kind::Task {
                    let task = codec::read_task_head(frame.body).map_err(io::Error::other)?;
                    self.copy_task(task.id, place, frame.bytes)?;
                }
            }
            at = group.end;
        }
        self.append_copies()?;
        self.tidy.from = (at < stop).then_some((at, stop));
        Ok(())
    }

    /// Copies a task if that place is where it is: its fixed part, its attempts, its end. Last comes how it stands now: that was
    /// written after its fixed part, and is to be so still.
    fn copy_task(&mut self, id: TaskId, place: Place, bytes: &[u8]) -> io::Result<()> {
        let Some(Whereabouts { entry, standing, places: [task, rest @ ..], attempts, end }) = self.ledger.places(id)
        else {
            return Ok(());
        };
        if task != Some(place) {
            return Ok(());
        }
        let mark = |part, version, range| Mark { entry, id, version, part, range };
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        let task = start..self.buffer.len();
        for place in rest.into_iter().flatten() {
            let bytes = self.reader.bytes(place).map_err(io::Error::other)?;
            let body = frame::read(&bytes).map_err(io::Error::other)?.body;
            let (_, then, part) = codec::read_change_head(body).map_err(io::Error::other)?;
            let start = self.buffer.len();
            self.buffer.extend_from_slice(&bytes);
            self.marks.push(mark(part, then.version, start..self.buffer.len()));
        }
        // The log may not have its latest attempts and its end yet: it is not to say before that the task has them.
        let part = Part::Change { attempts: attempts.is_some(), end: end.is_some() };
        let range = codec::put_change(&mut self.buffer, id, &standing, attempts.as_deref(), end.as_ref());
        self.marks.push(mark(part, standing.version, range.map_err(io::Error::other)?));
        // Last, since the books let go of a task when its latest version is written.
        self.marks.push(mark(Part::Task, standing.version, task));
        Ok(())
    }

    /// Writes the copies; on an error there are none, and what was to be copied is where it was.
    fn append_copies(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written =
            if buffer.is_empty() { Ok(()) } else { self.log.append(&buffer).map(|group| self.take_down(group)) };
        self.marks.clear();
        self.buffer = buffer;
        self.buffer.clear();
        written
    }
}
