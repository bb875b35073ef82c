//! One process a data directory.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use super::error::OpenError;

const LOCK: &str = "lock";

/// The right to a data directory. The system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes a directory, and makes it if there is none: readable for nobody else.
    pub(super) fn take(directory: &Path) -> Result<Self, OpenError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory).map_err(|error| OpenError::io("cannot make the data directory", directory, error))?;

        let path = directory.join(LOCK);
        let cannot = |error| OpenError::io("cannot lock", &path, error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { directory: directory.display().to_string(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        // Who holds it, for whoever comes second. Nothing depends on it.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> String {
    let mut id = String::new();
    let _ = file.read_to_string(&mut id);
    let id = id.trim();
    if id.is_empty() {
        return "another process".to_owned();
    }
    // The name of a process is known where there is a /proc.
    match fs::read_to_string(format!("/proc/{id}/comm")) {
        Ok(name) => format!("process {id} ({})", name.trim()),
        Err(_) => format!("process {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_it_and_gets_it_when_it_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("a/b");
        let first = DirectoryLock::take(&data).unwrap();
        let error = DirectoryLock::take(&data).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        DirectoryLock::take(&data).unwrap();
    }
}
