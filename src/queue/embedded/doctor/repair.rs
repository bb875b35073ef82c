//! A new log of what can be read.
//!
//! The new log is written and checked beside the damaged one (`queue.building`), and then called `queue.new`. The damaged one is moved
//! away (`queue` to `queue.damaged-…`) and the new one into its place. So `queue.building` is never worth anything, `queue.new` nothing
//! while there is a `queue`, and is the log if there is none: whoever finds that ends the repair, and a balancer does not begin an empty
//! log beside it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use super::super::QUEUE;
use super::super::codec;
use super::super::error::{OpenError, as_io};
use super::super::files::Files;
use super::super::frame::FrameError;
use super::super::lock::DirectoryLock;
use super::super::log::Log;
use super::super::sizes::SEGMENT;
use super::catalogue::{Catalogue, Known};
use super::raw::LogBytes;
use super::scan::entry_bytes;
use super::{Doctor, read};
use crate::config::Durability;
use crate::task::{TaskId, Timestamp};

const BUILDING: &str = "queue.building";
const NEW: &str = "queue.new";
const DAMAGED: &str = "queue.damaged-";
/// How large the groups of the new log are, about.
const GROUP: usize = 1 << 20;

/// A log that was repaired.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// Where the damaged one is now.
    pub damaged: PathBuf,
    /// How many tasks the new one has.
    pub tasks: u64,
}

/// Refuses a data directory whose log is between two names.
pub(in crate::queue::embedded) fn refuse_half_repaired(data: &Path) -> Result<(), OpenError> {
    if is_half_repaired(data) {
        return Err(OpenError::HalfRepaired { directory: data.join(QUEUE).display().to_string() });
    }
    Ok(())
}

fn is_half_repaired(data: &Path) -> bool {
    !data.join(QUEUE).exists() && data.join(NEW).exists()
}

impl Doctor {
    /// Ends a repair that was cut off before its last step; `false` if there is none.
    ///
    /// # Errors
    ///
    /// [`OpenError`], and the repair is as far as it was.
    pub fn end_repair(data: &Path) -> Result<bool, OpenError> {
        if !is_half_repaired(data) {
            return Ok(false);
        }
        let _lock = DirectoryLock::take(data)?;
        // Another process may have ended it meanwhile.
        if is_half_repaired(data) {
            rename(data, NEW, QUEUE)?;
        }
        Ok(true)
    }

    /// Writes what can be read to a new log and puts that in the place of the damaged one, which is kept. Worker keys are copied as they
    /// are sealed. The directory is free for a balancer once this returns.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the log is where and as it was, or (see [`Self::end_repair`]) moved away, and the new one ready.
    pub fn repair(mut self, now: Timestamp) -> Result<Repaired, OpenError> {
        let building = self.data.join(BUILDING);
        let tasks = self.build(&building).inspect_err(|_| {
            // Without room for it nothing of it is to be left.
            let _ = fs::remove_dir_all(&building);
        })?;
        remove(&self.data.join(NEW))?;
        rename(&self.data, BUILDING, NEW)?;
        let damaged = format!("{DAMAGED}{}", now.to_rfc3339().replace(':', ""));
        rename(&self.data, QUEUE, &damaged)?;
        rename(&self.data, NEW, QUEUE)?;
        drop(self.lock);
        Ok(Repaired { damaged: self.data.join(damaged), tasks })
    }

    /// Writes what can be read to a new log and reads it back; says how many tasks that is.
    fn build(&mut self, new: &Path) -> Result<u64, OpenError> {
        let cannot = |error| OpenError::io("cannot write", new, error);
        remove(new)?;
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(new).map_err(cannot)?;
        let files = Files::open(new, SEGMENT).map_err(|error| cannot(as_io(error)))?;
        let mut log = Log::open(new, &files, Durability::Disk, |_| {}, |_, _| Ok(()))?;
        let tasks = copy(&mut self.bytes, &self.catalogue, &mut log).map_err(cannot)?;
        drop(log);
        sync_directory(new).map_err(cannot)?;

        let (_, _, found) = read(new, SEGMENT, &mut |_, _| {})?;
        if !found.is_sound() || found.task_count() != tasks {
            let text = format!("{} tasks were written and {} can be read", tasks, found.task_count());
            return Err(cannot(io::Error::other(text)));
        }
        Ok(tasks)
    }
}

/// Copies what is of use; says how many tasks that is.
fn copy(bytes: &mut LogBytes, catalogue: &Catalogue, log: &mut Log) -> io::Result<u64> {
    let (mut group, mut tasks) = (Vec::new(), 0);
    for lane in catalogue.paused() {
        codec::put_lane(&mut group, lane, true).map_err(io::Error::other)?;
    }
    for (id, known) in catalogue.tasks() {
        let start = group.len();
        if copy_task(bytes, id, known, &mut group)?.is_err() {
            // The disk gives back something else than before.
            group.truncate(start);
            continue;
        }
        tasks += 1;
        if group.len() >= GROUP {
            log.append(&group)?;
            group.clear();
        }
    }
    if !group.is_empty() {
        log.append(&group)?;
    }
    Ok(tasks)
}

/// Copies a task: its fixed part, its attempts, its end; and last how it stands.
fn copy_task(
    bytes: &mut LogBytes,
    id: TaskId,
    known: &Known,
    group: &mut Vec<u8>,
) -> io::Result<Result<(), FrameError>> {
    for place in known.places() {
        match entry_bytes(bytes, place)? {
            Ok(entry) => group.extend_from_slice(&entry),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(codec::put_change(group, id, &known.standing, None, None).map(drop))
}

/// Removes what a repair that was cut off has left.
fn remove(directory: &Path) -> Result<(), OpenError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenError::io("cannot remove", directory, error)),
        _ => Ok(()),
    }
}

fn rename(data: &Path, from: &str, to: &str) -> Result<(), OpenError> {
    let from = data.join(from);
    let renamed = fs::rename(&from, data.join(to)).and_then(|()| sync_directory(data));
    renamed.map_err(|error| OpenError::io("cannot rename", from, error))
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
