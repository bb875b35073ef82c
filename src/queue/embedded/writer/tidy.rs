//! Keeps the log short: what is of use is copied away from its beginning, and the beginning is cut off.

use std::io;

use super::super::codec;
use super::super::frame::{self, Kind};
use super::{Mark, Writer};
use crate::queue::ledger::{Part, Place};
use crate::task::TaskId;

/// How many bytes are looked at between two batches: nobody who waits for a write is held up for long.
const STEP: u64 = 1 << 20;

/// Where the copying has got to.
#[derive(Debug, Default)]
pub(super) struct Tidy {
    /// The next group to look at, and where to stop.
    from: Option<(u64, u64)>,
}

impl Writer {
    /// Does a step of what there is to tidy up.
    pub(super) fn tidy_up(&mut self) {
        if let Err(error) = self.cut().and_then(|()| self.copy()) {
            tracing::warn!(%error, "cannot tidy up the queue's log");
        }
    }

    /// Cuts off what holds nothing of use.
    fn cut(&mut self) -> io::Result<()> {
        let Some(start) = self.space.cut() else { return Ok(()) };
        // What is known of the lanes themselves may be in there.
        for lane in self.ledger.paused_lanes() {
            codec::put_lane(&mut self.buffer, &lane, true).map_err(io::Error::other)?;
        }
        codec::put_header(&mut self.buffer).map_err(io::Error::other)?;
        self.append_copies()?;
        self.tidy.from = self.tidy.from.filter(|(from, _)| *from >= start);
        self.log.cut_before(start)
    }

    /// Copies what is of use in the oldest file, a step of it, if the log is much larger than what is of use in it.
    fn copy(&mut self) -> io::Result<()> {
        let Some((mut at, stop)) = self.tidy.from.or_else(|| self.space.wasteful()) else { return Ok(()) };
        let began = at;
        while at < stop && at - began < STEP {
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
        let Some((entry, standing, [task, rest @ ..])) = self.ledger.places(id) else { return Ok(()) };
        if task != Some(place) {
            return Ok(());
        }
        let mark = |part, version, range| Mark { entry, id, version, part, range };
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        self.marks.push(mark(Part::Task, standing.version, start..self.buffer.len()));
        for place in rest.into_iter().flatten() {
            let bytes = self.reader.bytes(place).map_err(io::Error::other)?;
            let body = frame::read(&bytes).map_err(io::Error::other)?.body;
            let (_, then, part) = codec::read_change_head(body).map_err(io::Error::other)?;
            let start = self.buffer.len();
            self.buffer.extend_from_slice(&bytes);
            self.marks.push(mark(part, then.version, start..self.buffer.len()));
        }
        codec::put_change(&mut self.buffer, id, &standing, None, None).map_err(io::Error::other)?;
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
