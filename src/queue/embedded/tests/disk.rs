//! A disk that fails when it is told to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use wal_db::{SegmentedStore, WalError, WalStore};

use super::super::sizes::Sizes;

/// What a disk does; shared with the test.
#[derive(Debug)]
pub(super) struct Disk {
    /// Bytes that can still be written, the reserve's own aside.
    room: AtomicU64,
    dead: AtomicBool,
    pub(super) fail_sync: AtomicBool,
    pub(super) fail_truncate: AtomicBool,
    pub(super) fail_cut: AtomicBool,
    pub(super) syncs: AtomicU64,
    pub(super) cuts: AtomicU64,
}

impl Default for Disk {
    fn default() -> Self {
        let never = || AtomicBool::new(false);
        Self {
            room: AtomicU64::new(u64::MAX),
            dead: never(),
            fail_sync: never(),
            fail_truncate: never(),
            fail_cut: never(),
            syncs: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
        }
    }
}

/// The files on such a disk.
pub(super) struct FailingStore {
    disk: Arc<Disk>,
    store: SegmentedStore,
    reserve: PathBuf,
    reserved: u64,
}

impl Disk {
    pub(super) fn store(self: &Arc<Self>, folder: &Path, sizes: Sizes) -> Result<FailingStore, WalError> {
        let store = SegmentedStore::open(folder, sizes.segment)?;
        Ok(FailingStore { disk: Arc::clone(self), store, reserve: folder.join("reserve"), reserved: sizes.reserve })
    }

    pub(super) fn has_room_for(&self, bytes: u64) {
        self.room.store(bytes, Ordering::SeqCst);
    }

    /// Nothing is written any more, not even into the reserve's place.
    pub(super) fn dies(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    /// Room again, for the reserve as well.
    pub(super) fn is_cleared(&self, folder: &Path) {
        self.has_room_for(u64::MAX);
        self.dead.store(false, Ordering::SeqCst);
        let _ = std::fs::remove_dir(folder.join("reserve"));
    }
}

fn full() -> WalError {
    WalError::Io { context: "a test", source: io::ErrorKind::StorageFull.into() }
}

fn broken() -> WalError {
    WalError::Io { context: "a test", source: io::Error::other("the disk is broken") }
}

impl FailingStore {
    /// Once the reserve is given up there is as much room more, and none for another reserve: a directory is in its place.
    fn take_the_reserve(&self) {
        if !self.reserve.exists() && std::fs::create_dir(&self.reserve).is_ok() {
            self.disk.room.fetch_add(self.reserved, Ordering::SeqCst);
        }
    }
}

impl WalStore for FailingStore {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), WalError> {
        if self.disk.dead.load(Ordering::SeqCst) {
            return Err(broken());
        }
        let room = self.disk.room.load(Ordering::SeqCst);
        if room == u64::MAX {
            return self.store.write_at(offset, bytes);
        }
        self.take_the_reserve();
        let room = self.disk.room.load(Ordering::SeqCst);
        if let Some(left) = room.checked_sub(bytes.len() as u64) {
            self.disk.room.store(left, Ordering::SeqCst);
            return self.store.write_at(offset, bytes);
        }
        // As much of it as there is room for: a write may fail half-way.
        self.store.write_at(offset, &bytes[..usize::try_from(room).unwrap()])?;
        Err(full())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, WalError> {
        self.store.read_at(offset, buffer)
    }

    fn truncate(&self, length: u64) -> Result<(), WalError> {
        if self.disk.fail_truncate.load(Ordering::SeqCst) {
            return Err(broken());
        }
        self.store.truncate(length)
    }

    fn sync(&self) -> Result<(), WalError> {
        self.disk.syncs.fetch_add(1, Ordering::SeqCst);
        if self.disk.fail_sync.load(Ordering::SeqCst) {
            return Err(broken());
        }
        self.store.sync()
    }

    fn len(&self) -> Result<u64, WalError> {
        self.store.len()
    }

    fn head(&self) -> Result<u64, WalError> {
        self.store.head()
    }

    fn truncate_before(&self, offset: u64) -> Result<u64, WalError> {
        self.disk.cuts.fetch_add(1, Ordering::SeqCst);
        if self.disk.fail_cut.load(Ordering::SeqCst) {
            return Err(broken());
        }
        self.store.truncate_before(offset)
    }
}
