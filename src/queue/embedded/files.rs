//! The files of the log.
//!
//! The log's crate empties its marker of where the log begins before it writes it anew: a kill, or a full disk, in between leaves a
//! log that cannot be opened. So the beginning is kept here too, in a file that is replaced as a whole.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use wal_db::{SegmentedStore, WalError, WalStore};

/// How large a file of the log is.
pub(super) const SEGMENT: u64 = 64 << 20;

pub(super) const BEGINNING: &str = "beginning";
const NEW_BEGINNING: &str = "beginning.new";

type Result<T> = std::result::Result<T, WalError>;

/// The files of the log, for the log itself and for reads of single entries.
#[derive(Clone, Debug)]
pub(super) struct Files(Arc<SegmentedStore>);

impl Files {
    pub(super) fn open(directory: &Path) -> Result<Self> {
        SegmentedStore::open(directory, SEGMENT).map(|store| Self(Arc::new(store)))
    }

    fn beginning(&self) -> io::Result<u64> {
        match fs::read(self.0.dir().join(BEGINNING)) {
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
        let new = self.0.dir().join(NEW_BEGINNING);
        fs::write(&new, offset.to_le_bytes())?;
        fs::File::open(&new)?.sync_all()?;
        fs::rename(&new, self.0.dir().join(BEGINNING))
    }
}

impl WalStore for Files {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.0.truncate(length)
    }

    fn sync(&self) -> Result<()> {
        self.0.sync()
    }

    fn len(&self) -> Result<u64> {
        self.0.len()
    }

    fn head(&self) -> Result<u64> {
        let own =
            self.beginning().map_err(|source| WalError::Io { context: "reading where the log begins", source })?;
        Ok(own.max(self.0.head()?))
    }

    fn truncate_before(&self, offset: u64) -> Result<u64> {
        self.set_beginning(offset)
            .map_err(|source| WalError::Io { context: "writing where the log begins", source })?;
        self.0.truncate_before(offset)
    }
}
