//! The log: groups of entries, one after the other, cut off at the front.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use wal_db::{Lsn, OpenPolicy, Wal, WalConfig, WalError, WalStore};

use super::codec::{self, FORMAT};
use super::error::{OpenError, as_io};
use super::files::Files;
use super::frame::{self, Frame, FrameError, Kind};
use crate::config::Durability;
use crate::queue::ledger::Place;

/// What the log puts before a group: its length and checksum.
pub(super) const GROUP_HEADER: u64 = 8;
/// The largest group; a body may be as large as `REQUEST_BODY_LIMIT`.
pub(super) const LARGEST_GROUP: u32 = u32::MAX / 2;

/// A group that takes longer than that has waited for the disk. On a busy machine a thread may lose its turn in between, but not for
/// so long.
const SLOW: Duration = Duration::from_millis(25);
/// How long the disk is taken to be slow then.
const WARINESS: Duration = Duration::from_secs(2);

/// A group that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// Where the log could be cut to begin with it.
    pub(super) start: u64,
    /// Where its first entry lies.
    pub(super) entries: u64,
    /// Where the next group begins.
    pub(super) end: u64,
}

/// The log, for the one who writes it.
pub(super) struct Log {
    wal: Wal<Files>,
    files: Files,
    durability: Durability,
    /// The last group that is whole.
    last: Lsn,
    /// A group failed, and is still to be cut off.
    broken: bool,
    /// Bytes of a torn group that were cut off the end when the log was opened.
    torn: u64,
    /// Until when the disk is taken to be slow: a group has taken long.
    slow: Option<Instant>,
}

/// The log, for whoever reads single entries.
#[derive(Clone, Debug)]
pub(super) struct LogReader(Files);

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("cannot read the log: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] FrameError),
}

impl Log {
    /// Opens the log that is in these files and gives every entry to `each`, oldest first. A torn end is cut off; damage is refused.
    pub(super) fn open(
        directory: &Path,
        files: &Files,
        durability: Durability,
        mut each_group: impl FnMut(Group),
        mut each: impl FnMut(Place, Frame<'_>) -> Result<(), FrameError>,
    ) -> Result<Self, OpenError> {
        let config = WalConfig::new().with_open_policy(OpenPolicy::Strict).with_max_record_size(LARGEST_GROUP);
        let wal =
            Wal::with_store_and_config(files.clone(), config).map_err(|error| open_error(directory, files, error))?;
        let torn = wal.truncated_on_open();
        let mut log =
            Self { wal, files: files.clone(), durability, last: Lsn::new(0), broken: false, torn, slow: None };
        let mut found = 0_u64;
        for record in log.wal.iter().map_err(|error| open_error(directory, files, error))? {
            let record = record.map_err(|error| open_error(directory, files, error))?;
            let start = record.lsn().get();
            let group = Group::at(start, record.len());
            each_group(group);
            for entry in frame::entries(record.data(), group.entries) {
                let (place, frame) = entry.map_err(|error| damaged(files, group.entries, &error))?;
                match frame.kind {
                    Kind::Header => check_format(directory, files, frame.body)?,
                    _ => each(place, frame).map_err(|error| damaged(files, place.offset, &error))?,
                }
            }
            log.last = record.lsn();
            found += 1;
        }
        if found == 0 {
            // Whoever cuts off a group that failed needs one that is whole before it.
            let mut header = Vec::new();
            codec::put_header(&mut header).map_err(|error| damaged(files, 0, &error))?;
            let group = log.append(&header).map_err(|error| OpenError::io("cannot write to", directory, error))?;
            each_group(group);
        }
        if let Err(error) = log.files.finish_cut() {
            tracing::warn!(%error, "cannot remove old files of the queue's log");
        }
        Ok(log)
    }

    /// Bytes of a torn group that were cut off the end when the log was opened.
    pub(super) const fn torn(&self) -> u64 {
        self.torn
    }

    pub(super) fn reader(&self) -> LogReader {
        LogReader(self.files.clone())
    }

    /// Whether a group is written without waiting for the disk, as far as can be told: the system takes it over at once as a rule, and
    /// makes its writers wait when it has taken over too much.
    pub(super) fn is_quick(&self) -> bool {
        self.durability == Durability::System && self.slow.is_none_or(|until| until <= Instant::now())
    }

    /// Adds a group: in the system's hands, or on the disk itself, when this returns. After an error the log is as it was before.
    pub(super) fn append(&mut self, entries: &[u8]) -> io::Result<Group> {
        self.cut_failed()?;
        self.broken = true;
        let began = Instant::now();
        let start = self.wal.append(entries).and_then(|start| {
            if self.durability == Durability::Disk {
                // What a failed sync has left in the system's hands is not written by the next one: the group is written anew.
                self.wal.sync()?;
            }
            Ok(start)
        });
        let ended = Instant::now();
        if ended - began > SLOW {
            self.slow = Some(ended + WARINESS);
        }
        match start {
            Ok(start) => {
                self.broken = false;
                self.last = start;
                Ok(Group::at(start.get(), entries.len()))
            }
            Err(error) => {
                // Tried again before the next group, should it fail.
                let _ = self.cut_failed();
                Err(as_io(error))
            }
        }
    }

    /// A group that failed leaves a hole, and later ones would be acknowledged behind it.
    fn cut_failed(&mut self) -> io::Result<()> {
        if self.broken {
            self.wal.truncate_after(self.last).map_err(as_io)?;
            self.broken = false;
        }
        Ok(())
    }

    /// Drops everything before a group.
    pub(super) fn cut_before(&self, start: u64) -> io::Result<()> {
        self.wal.truncate_before(Lsn::new(start)).map(drop).map_err(as_io)
    }

    /// The group that begins at `start`, and where the next one does.
    pub(super) fn group(&self, start: u64) -> io::Result<Option<(Group, Vec<u8>)>> {
        let mut groups = self.wal.iter_from(Lsn::new(start)).map_err(as_io)?;
        let Some(record) = groups.next() else { return Ok(None) };
        let record = record.map_err(as_io)?;
        Ok(Some((Group::at(record.lsn().get(), record.len()), record.into_data())))
    }
}

impl Group {
    fn at(start: u64, length: usize) -> Self {
        let entries = start + GROUP_HEADER;
        Self { start, entries, end: entries + length as u64 }
    }
}

impl LogReader {
    /// Reads the entry at a place, whole and as it is there: [`frame::read`] checks it.
    pub(super) fn read(&self, place: Place) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; place.length as usize];
        let read = self.0.read_at(place.offset, &mut bytes).map_err(as_io)?;
        if read < bytes.len() {
            return Err(FrameError::Short.into());
        }
        Ok(bytes)
    }
}

fn check_format(directory: &Path, files: &Files, body: &[u8]) -> Result<(), OpenError> {
    match codec::read_header(body) {
        Ok(FORMAT) => Ok(()),
        Ok(found) => Err(OpenError::Format { file: directory.display().to_string(), found, known: FORMAT }),
        Err(error) => Err(damaged(files, 0, &error)),
    }
}

fn damaged(files: &Files, offset: u64, error: &FrameError) -> OpenError {
    let (file, offset) = files.file_at(offset);
    OpenError::Damaged { file, offset, reason: error.to_string() }
}

fn open_error(directory: &Path, files: &Files, error: WalError) -> OpenError {
    match error {
        WalError::Corruption { offset, reason } => {
            let (file, offset) = files.file_at(offset);
            OpenError::Damaged { file, offset, reason: reason.to_string() }
        }
        other => OpenError::io("cannot read the log in", directory, as_io(other)),
    }
}
