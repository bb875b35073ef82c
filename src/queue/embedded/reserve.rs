//! Room for the ends of tasks on a full disk.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::journal::{Health, Journal};

const FILE: &str = "reserve";

/// A file that only takes room. When the disk is full it is given up, so that what runs can end; new tasks are refused until there
/// is room for it again.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    size: u64,
    held: bool,
}

impl Reserve {
    /// A reserve of that many bytes in that directory, not held yet.
    pub(super) fn new(directory: &Path, size: u64) -> Self {
        Self { path: directory.join(FILE), size, held: false }
    }

    pub(super) const fn is_held(&self) -> bool {
        self.held
    }

    /// Takes the room; an error says why not, and leaves nothing behind.
    pub(super) fn take(&mut self) -> io::Result<()> {
        if self.held || fs::metadata(&self.path).is_ok_and(|file| file.len() == self.size) {
            self.held = true;
            return Ok(());
        }
        let filled = self.fill();
        if filled.is_err() {
            let _ = fs::remove_file(&self.path);
        }
        self.held = filled.is_ok();
        filled
    }

    /// Takes the room, and new tasks with it; without it they are refused.
    pub(super) fn take_for(&mut self, journal: &Journal) {
        let was = journal.health();
        match self.take() {
            Ok(()) => {
                if was == Health::Full {
                    tracing::info!("there is room on the disk again: new tasks are taken");
                }
                journal.set_health(Health::Good);
            }
            Err(error) => {
                if was == Health::Good {
                    tracing::error!(%error, "no room on the disk for a reserve: new tasks are refused");
                }
                journal.set_health(Health::Full);
            }
        }
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        if allocate(&file, self.size).is_ok() {
            return Ok(());
        }
        // Zeros that are written, not a hole: a hole takes no room.
        io::copy(&mut io::repeat(0).take(self.size), &mut file).map(drop)
    }

    /// Gives the room up; `false` if it was given up before.
    pub(super) fn give_up(&mut self) -> bool {
        std::mem::take(&mut self.held) && fs::remove_file(&self.path).is_ok()
    }
}

/// Takes the room without writing anything, where the file system can do that.
#[cfg(target_os = "linux")]
fn allocate(file: &File, size: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size)?)
}

#[cfg(not(target_os = "linux"))]
fn allocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_room_once_and_gives_it_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::new(directory.path(), 4096);
        reserve.take().unwrap();
        assert_eq!(fs::metadata(directory.path().join(FILE)).unwrap().len(), 4096);
        let mut after_a_restart = Reserve::new(directory.path(), 4096);
        after_a_restart.take().unwrap();
        assert!(after_a_restart.give_up());
        assert!(!after_a_restart.give_up());
        assert!(!directory.path().join(FILE).exists());
    }
}
