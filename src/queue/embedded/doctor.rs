//! A log that a balancer refuses to open, or that somebody wants to be sure of: says what is wrong with it, gives out what can be read,
//! and makes a new log of that. Nothing here changes the log itself; a repair moves it aside.

mod catalogue;
mod findings;
mod raw;
mod repair;
mod scan;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::catalogue::{Catalogue, Known};
pub use self::findings::{Damage, Findings, LogFile, TaskCounts, TornTail};
use self::raw::LogBytes;
pub use self::repair::Repaired;
pub(super) use self::repair::refuse_half_repaired;
use self::scan::{Scan, Scanned, entry_bytes};
use super::codec::{self, FORMAT};
use super::error::OpenError;
use super::files::BEGINNING;
use super::frame::{self, FrameError};
use super::lock::DirectoryLock;
use super::log::ReadError;
use super::sizes::SEGMENT;
use crate::queue::ledger::{Detail, Place};
use crate::task::{TaskId, TaskRecord, WorkerKey};

/// The marker of the log's crate: where the log begins, and a checksum of that.
const HEAD: &str = "head";

/// A data directory under examination. It belongs to this process until it is dropped, so no balancer runs on it.
pub struct Doctor {
    data: PathBuf,
    bytes: LogBytes,
    catalogue: Catalogue,
    findings: Findings,
    lock: DirectoryLock,
}

/// What is stored of a task does not mean anything.
#[derive(Debug, thiserror::Error)]
#[error("task {id} cannot be read: {reason}")]
pub struct UnreadableTask {
    /// The task.
    pub id: TaskId,
    /// What is wrong.
    pub reason: String,
}

impl Doctor {
    /// Reads the whole log of a data directory and changes nothing. `progress` is told how many bytes are read, of how many.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: a balancer has the directory, there is no log in it, it cannot be read at all, or is of another version. Damage
    /// is no error, but among the [`Findings`].
    pub fn examine(data: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, OpenError> {
        let directory = data.join(super::QUEUE);
        refuse_half_repaired(data)?;
        // A directory that is not there is not made.
        fs::metadata(&directory).map_err(|error| OpenError::io("cannot read", &directory, error))?;
        let lock = DirectoryLock::take(data)?;
        let (bytes, catalogue, findings) = read(&directory, SEGMENT, progress)?;
        Ok(Self { data: data.to_owned(), bytes, catalogue, findings, lock })
    }

    /// What was found.
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Every task that can be read, oldest first. Their worker keys stay sealed.
    pub fn tasks(&mut self) -> impl Iterator<Item = Result<TaskRecord, UnreadableTask>> {
        let (bytes, tasks) = (&mut self.bytes, self.catalogue.tasks());
        tasks.map(|(id, known)| {
            record(bytes, id, known).map_err(|error| UnreadableTask { id, reason: error.to_string() })
        })
    }
}

/// Reads the log in a directory, of files of that size.
fn read(
    directory: &Path,
    size: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(LogBytes, Catalogue, Findings), OpenError> {
    let cannot = |error| OpenError::io("cannot read", directory, error);
    let mut bytes = LogBytes::open(directory, size).map_err(cannot)?;
    let mut catalogue = Catalogue::default();
    let beginning = Beginning::of(directory).map_err(cannot)?;
    let end = bytes.end();
    let said = beginning.said.filter(|said| *said <= end);

    let mut scan = Scan { bytes: &mut bytes, catalogue: &mut catalogue, progress, scanned: Scanned::default() };
    // Where nothing whole lies where the log is said to begin, what is before it is better than nothing.
    let lowest = scan.bytes.lowest();
    let start = match said {
        Some(said) if scan.group(said).map_err(cannot)?.is_some() => said,
        said => said.map_or(lowest, |said| said.min(lowest)),
    };
    scan.run(start, said).map_err(cannot)?;
    let scanned = scan.scanned;
    if let Some(found) = catalogue.unknown_format() {
        return Err(OpenError::Format { file: directory.display().to_string(), found, known: FORMAT });
    }
    let wrong = match beginning.wrong {
        None if end > start && !scanned.begins_as_said => Some("no group begins where it says".to_owned()),
        wrong => wrong,
    };
    let wrong = wrong.map(|reason| {
        let file = directory.join(BEGINNING);
        Damage {
            file: file.display().to_string(),
            offset: 0,
            bytes: fs::metadata(file).map_or(0, |file| file.len()),
            reason,
        }
    });
    let findings = Findings::new(&bytes, &catalogue, start, scanned, wrong);
    Ok((bytes, catalogue, findings))
}

/// Where a log is said to begin.
struct Beginning {
    said: Option<u64>,
    wrong: Option<String>,
}

impl Beginning {
    fn of(directory: &Path) -> io::Result<Self> {
        let file = |name| match fs::read(directory.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        // As the log's crate takes it: what is not whole does not count.
        let head = file(HEAD)?.and_then(|bytes| {
            let (offset, sum) = (bytes.first_chunk::<8>()?, bytes.get(8..12)?);
            (crc32c::crc32c(offset).to_le_bytes() == sum).then_some(u64::from_le_bytes(*offset))
        });
        let Some(own) = file(BEGINNING)? else { return Ok(Self { said: Some(head.unwrap_or(0)), wrong: None }) };
        match own.try_into() {
            Ok(own) => Ok(Self { said: Some(u64::from_le_bytes(own).max(head.unwrap_or(0))), wrong: None }),
            Err(_) => Ok(Self { said: head, wrong: Some("it has a wrong length".to_owned()) }),
        }
    }
}

/// A task as the log has it.
fn record(bytes: &mut LogBytes, id: TaskId, known: &Known) -> Result<TaskRecord, ReadError> {
    let stored = known.stored(id).ok_or(FrameError::Short)?;
    let task = entry_bytes(bytes, stored.task)??;
    let spec = codec::read_task(frame::read(&task)?.body, |_, sealed| WorkerKey::unreadable(sealed))?;
    let mut change = |place: Option<Place>| -> Result<codec::AttemptsAndEnd, ReadError> {
        let Some(place) = place else { return Ok((None, None)) };
        let entry = entry_bytes(bytes, place)??;
        Ok(codec::read_change(frame::read(&entry)?.body)?.1)
    };
    let attempts = change(stored.history)?.0.unwrap_or_default();
    let end = change(stored.end)?.1;
    Ok(Detail { spec: Arc::new(spec), attempts, end }.record(&known.standing))
}
