//! Reads a log from end to end, over whatever is damaged.
//!
//! Where a group is not whole, every byte after it is tried: as the beginning of a group that is, where reading goes on, and as that of
//! an entry, which has a checksum of its own and counts even if the group around it does not. What looks like one by its first bytes is
//! rare, so that few checksums are made in vain.

use std::io;

use super::Damage;
use super::catalogue::Catalogue;
use super::raw::LogBytes;
use crate::queue::embedded::frame::{self, FrameError, Kind};
use crate::queue::embedded::log::{GROUP_HEADER, LARGEST_GROUP};
use crate::queue::ledger::Place;

/// Length, checksum, kind.
const ENTRY_HEADER: usize = 9;
const ID: usize = 16;
/// The most that the entries without a task have in them.
const LONGEST_LANE: u64 = 1024;
const LONGEST_FORGOTTEN: u64 = 20;
const LONGEST_HEADER: u64 = 6;

/// What was met on the way.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub(super) groups: u64,
    pub(super) entries: u64,
    pub(super) damages: Vec<Damage>,
    /// Bytes at the end that are no group, and the whole entries in them.
    pub(super) tail: Option<(u64, u64)>,
    /// Whether a group was to begin where the log is said to.
    pub(super) begins_as_said: bool,
}

/// A log being read.
pub(super) struct Scan<'a> {
    pub(super) bytes: &'a mut LogBytes,
    pub(super) catalogue: &'a mut Catalogue,
    /// Is told from time to time how far it is, and how far it goes.
    pub(super) progress: &'a mut dyn FnMut(u64, u64),
    pub(super) scanned: Scanned,
}

impl Scan<'_> {
    /// Reads from `start` to the end. Where the log is said to begin is `said`, if that is known: what is no group before that, or else
    /// before the first group, is no damage.
    pub(super) fn run(&mut self, start: u64, said: Option<u64>) -> io::Result<()> {
        let end = self.bytes.end();
        let mut at = start;
        while at < end && self.catalogue.unknown_format().is_none() {
            (self.progress)(at - start, end - start);
            self.scanned.begins_as_said |= Some(at) == said;
            if let Some(length) = self.group(at)? {
                self.take_group(at, length)?;
                at += GROUP_HEADER + length;
                continue;
            }
            let reason = self.reason(at)?;
            let before = self.scanned.entries;
            let (next, gap) = self.find_group(at + 1)?;
            match next {
                Some(next) if said.map_or(self.scanned.groups == 0, |said| next <= said) => {}
                Some(next) => self.damage(at, next - at, reason),
                None if gap || self.bytes.gap_at(at).is_some() => self.damage(at, end - at, reason),
                None => self.scanned.tail = Some((end - at, self.scanned.entries - before)),
            }
            at = next.unwrap_or(end);
        }
        (self.progress)(end - start, end - start);
        Ok(())
    }

    /// The length of the group at an offset, if it is whole.
    pub(super) fn group(&mut self, at: u64) -> io::Result<Option<u64>> {
        let Some(header) = self.bytes.peek(at, 8)? else { return Ok(None) };
        let (sum, length) = (number(header, 0), number(header, 4));
        let length = u64::from(length);
        if length > u64::from(LARGEST_GROUP) || length == 0 {
            return Ok(None);
        }
        let mut found = 0;
        let whole = self.bytes.pass(at + 4, 4 + length, |piece| found = crc32c::crc32c_append(found, piece))?;
        Ok((whole && found == sum).then_some(length))
    }

    /// Takes in the entries of a whole group.
    fn take_group(&mut self, at: u64, length: u64) -> io::Result<()> {
        let start = at + GROUP_HEADER;
        let Some(group) = self.bytes.read(start, length)? else { return Ok(()) };
        self.scanned.groups += 1;
        let mut read = 0;
        for entry in frame::entries(&group, start) {
            let taken = entry.map_err(|error| (start + read, length - read, error)).and_then(|(place, frame)| {
                read = place.offset - start + u64::from(place.length);
                self.scanned.entries += 1;
                let taken = self.catalogue.take_in(place, frame);
                taken.map_err(|error| (place.offset, u64::from(place.length), error))
            });
            if let Err((offset, bytes, error)) = taken {
                self.damage(offset, bytes, error.to_string());
            }
        }
        Ok(())
    }

    /// The next whole group from `at` on, and whether bytes are missing before it. Whole entries on the way are taken in.
    fn find_group(&mut self, mut at: u64) -> io::Result<(Option<u64>, bool)> {
        let mut gap = false;
        while let Some(readable) = self.bytes.readable_from(at) {
            gap |= readable != at;
            at = readable;
            // An entry is the first thing in a group, and sooner checked.
            if self.entry(at + GROUP_HEADER)?.is_some() && self.group(at)?.is_some() {
                return Ok((Some(at), gap));
            }
            let Some(length) = self.entry(at)? else {
                at += 1;
                continue;
            };
            if let Some(bytes) = self.bytes.read(at, u64::from(length))?
                && let Ok(frame) = frame::read(&bytes)
                && self.catalogue.take_in(Place { offset: at, length }, frame).is_ok()
            {
                self.scanned.entries += 1;
            }
            at += u64::from(length);
        }
        Ok((None, gap))
    }

    /// The length of the entry at an offset, with its header, if it is whole.
    fn entry(&mut self, at: u64) -> io::Result<Option<u32>> {
        let room = self.bytes.run_end(at) - at;
        let Some(header) = self.bytes.peek(at, ENTRY_HEADER)? else { return Ok(None) };
        let (length, sum, kind) = (number(header, 0), number(header, 4), header[ENTRY_HEADER - 1]);
        let summed = u64::from(length);
        let is_task = kind == Kind::Task as u8 || kind == Kind::Change as u8;
        let likely = match kind {
            _ if is_task => summed > ID as u64,
            kind if kind == Kind::Header as u8 => (1..=LONGEST_HEADER).contains(&summed),
            kind if kind == Kind::Forgotten as u8 => (1..=LONGEST_FORGOTTEN).contains(&summed),
            kind if kind == Kind::Lane as u8 => (1..=LONGEST_LANE).contains(&summed),
            _ => false,
        };
        if !likely || 8 + summed > room {
            return Ok(None);
        }
        if is_task {
            let Some(start) = self.bytes.peek(at, ENTRY_HEADER + ID)? else { return Ok(None) };
            let id = &start[ENTRY_HEADER..];
            // A UUID of version 7.
            if id[6] >> 4 != 7 || id[8] >> 6 != 2 {
                return Ok(None);
            }
        }
        let mut found = crc32fast::Hasher::new();
        let whole = self.bytes.pass(at + 8, summed, |piece| found.update(piece))?;
        Ok((whole && found.finalize() == sum).then_some(length + 8))
    }

    /// Why there is no whole group at an offset.
    fn reason(&mut self, at: u64) -> io::Result<String> {
        if let Some(gap) = self.bytes.gap_at(at) {
            return Ok(gap);
        }
        let run_end = self.bytes.run_end(at);
        let length = self.bytes.peek(at, 8)?.map(|header| u64::from(number(header, 4)));
        Ok(match length {
            Some(length) if at + GROUP_HEADER + length <= run_end => "the checksum of a group is wrong".to_owned(),
            _ => match self.bytes.gap_at(run_end).filter(|_| run_end < self.bytes.end()) {
                Some(gap) => format!("a group is cut off: {} {gap}", self.bytes.file_at(run_end).0),
                None => "the length of a group is wrong, or it is cut off".to_owned(),
            },
        })
    }

    fn damage(&mut self, at: u64, bytes: u64, reason: String) {
        let (file, offset) = self.bytes.file_at(at);
        self.scanned.damages.push(Damage { file, offset, bytes, reason });
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The entry at a place that was taken in before.
pub(super) fn entry_bytes(bytes: &mut LogBytes, place: Place) -> io::Result<Result<Vec<u8>, FrameError>> {
    let read = bytes.read(place.offset, u64::from(place.length))?;
    let Some(bytes) = read else { return Ok(Err(FrameError::Short)) };
    let whole = frame::read(&bytes).map(drop);
    Ok(whole.map(|()| bytes))
}
