//! The files of the log.
//!
//! The log's crate empties its marker of where the log begins before it writes it anew: a kill, or a full disk, in between leaves a
//! log that cannot be opened. So the beginning is kept here too, in a file that is replaced as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wal_db::{SegmentedStore, WalError, WalStore};

pub(super) const BEGINNING: &str = "beginning";
const NEW_BEGINNING: &str = "beginning.new";

type Result<T> = std::result::Result<T, WalError>;

/// The files of the log, for the log itself and for reads of single entries.
#[derive(Clone)]
pub(super) struct Files {
    store: Arc<dyn WalStore>,
    directory: PathBuf,
    /// How large each is.
    segment: u64,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Files {
    pub(super) fn open(directory: &Path, segment: u64) -> Result<Self> {
        Ok(Self::of(Arc::new(SegmentedStore::open(directory, segment)?), directory, segment))
    }

    pub(super) fn of(store: Arc<dyn WalStore>, directory: &Path, segment: u64) -> Self {
        Self { store, directory: directory.to_owned(), segment }
    }

    /// The file, and the place in it, of an offset of the log.
    pub(super) fn file_at(&self, offset: u64) -> (String, u64) {
        let file = self.directory.join(format!("{:020}.wal", offset / self.segment));
        (file.display().to_string(), offset % self.segment)
    }

    /// Removes what the process before was about to remove when it ended.
    pub(super) fn finish_cut(&self) -> Result<()> {
        let beginning = self.head()?;
        if beginning > self.store.head()? {
            self.store.truncate_before(beginning)?;
        }
        Ok(())
    }

    fn beginning(&self) -> io::Result<u64> {
        match fs::read(self.directory.join(BEGINNING)) {
            Ok(bytes) => {
                let bytes =
                    bytes.try_into().map_err(|_| io::Error::other("the file `beginning` has a wrong length"))?;
                Ok(u64::from_le_bytes(bytes))
            }
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn set_beginning(&self, offset: u64) -> io::Result<()> {
        let new = self.directory.join(NEW_BEGINNING);
        fs::write(&new, offset.to_le_bytes())?;
        fs::File::open(&new)?.sync_all()?;
        fs::rename(&new, self.directory.join(BEGINNING))
    }
}

impl WalStore for Files {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.store.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.store.read_at(offset, buffer)
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.store.truncate(length)
    }

    fn sync(&self) -> Result<()> {
        self.store.sync()
    }

    fn len(&self) -> Result<u64> {
        self.store.len()
    }

    fn head(&self) -> Result<u64> {
        let own =
            self.beginning().map_err(|source| WalError::Io { context: "reading where the log begins", source })?;
        Ok(own.max(self.store.head()?))
    }

    fn truncate_before(&self, offset: u64) -> Result<u64> {
        self.set_beginning(offset)
            .map_err(|source| WalError::Io { context: "writing where the log begins", source })?;
        self.store.truncate_before(offset)
    }
}
