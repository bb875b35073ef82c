//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

use wal_db::WalError;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{directory} is in use by {holder}: a data directory belongs to one process")]
    InUse {
        /// The data directory.
        directory: String,
        /// Who has it, as far as it says so.
        holder: String,
    },
    /// The file system refuses.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file is damaged, and not just torn at its end.
    #[error(
        "{file} is damaged at byte {offset} ({reason}). Nothing was changed. `andera-lb doctor` says what can be read, exports it, and repairs the log"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Where in that file.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A repair was cut off between its last two steps.
    #[error("a repair of {directory} was cut off before its end: `andera-lb doctor --repair` ends it")]
    HalfRepaired {
        /// The directory of the log.
        directory: String,
    },
    /// The store was written by another version.
    #[error(
        "{file} was written by a version of andera-lb that this one does not understand (format {found}, this one reads {known})"
    )]
    Format {
        /// The file.
        file: String,
        /// The format found.
        found: u32,
        /// The format of this version.
        known: u32,
    },
}

impl OpenError {
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { doing, path: path.into().display().to_string(), source }
    }
}

/// What the log says, as an error of the system.
pub(super) fn as_io(error: WalError) -> io::Error {
    match error {
        WalError::Io { source, .. } => source,
        other => io::Error::other(other.to_string()),
    }
}
