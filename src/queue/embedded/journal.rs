//! What is on its way to the log.

use std::mem;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::log::ReadError;
use crate::queue::QueueError;
use crate::queue::ledger::{Detail, Note, Store, Stored};

/// What an answer of the writer may be.
pub(super) type Written = Result<(), QueueError>;
/// What a read of the writer gives.
pub(super) type Loaded = Result<Detail, LoadError>;

/// Why the detail of a task is not to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// What came before it could not be written.
    #[error("{0}")]
    Queue(#[from] QueueError),
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] ReadError),
}

/// How the writer fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It writes.
    Good,
    /// The disk is full: what is left of it is for what runs.
    Full,
    /// It cannot write.
    Failing,
}

/// A note without what is of no fixed size.
const NOTE_BYTES: usize = 256;

/// What is on its way to the log: notes, and whoever waits for the writer's thread. Bounded by its callers, since each waits for its own.
#[derive(Debug)]
pub(super) struct Journal {
    pending: Mutex<Pending>,
    /// How many notes there have been, and how many of them are in the log. Where in the log does not matter: each says of which
    /// state of its task it tells.
    noted: AtomicU64,
    written: AtomicU64,
    arrived: Condvar,
    health: AtomicU8,
}

#[derive(Debug, Default)]
struct Pending {
    batch: Batch,
    /// The thread waits to be called.
    parked: bool,
    /// The thread was called while it was busy.
    called: bool,
    closed: bool,
}

/// What is written in one go.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) notes: Vec<Note>,
    /// Of the notes, roughly.
    bytes: usize,
    /// How many notes there have been with them.
    upto: u64,
    pub(super) waiters: Vec<oneshot::Sender<Written>>,
    pub(super) reads: Vec<(Stored, oneshot::Sender<Loaded>)>,
}

impl Batch {
    const fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.has_no_waiters()
    }

    const fn has_no_waiters(&self) -> bool {
        self.waiters.is_empty() && self.reads.is_empty()
    }

    /// Tells everybody who waits that what they wait for cannot be written for now.
    pub(super) fn fail(&mut self, error: &QueueError) {
        for waiter in self.waiters.drain(..) {
            let _ = waiter.send(Err(error.clone()));
        }
        for (_, reader) in self.reads.drain(..) {
            let _ = reader.send(Err(error.clone().into()));
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            pending: Mutex::default(),
            noted: AtomicU64::new(0),
            written: AtomicU64::new(0),
            arrived: Condvar::new(),
            health: AtomicU8::new(Health::Good as u8),
        }
    }
}

impl Store for Journal {
    const KEEPS: bool = true;

    fn note(&self, note: Note) {
        let bytes = NOTE_BYTES + note.payload();
        // Whoever noted something waits for it, and sees to it then.
        let mut pending = self.pending.lock();
        pending.batch.bytes += bytes;
        pending.batch.notes.push(note);
        self.noted.fetch_add(1, Ordering::Release);
    }
}

impl Journal {
    /// How many notes there have been so far.
    pub(super) fn noted(&self) -> u64 {
        self.noted.load(Ordering::Acquire)
    }

    /// How many of them are in the log, and with them all before.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Leaves those who wait to the thread.
    pub(super) fn hand_over(&self, waiters: impl IntoIterator<Item = oneshot::Sender<Written>>) {
        self.pending.lock().batch.waiters.extend(waiters);
        self.call();
    }

    /// `reader` gets the detail of a task once everything noted so far is in the log. Says whether the thread is to be called.
    pub(super) fn read(&self, stored: Stored, reader: oneshot::Sender<Loaded>) -> bool {
        let mut pending = self.pending.lock();
        let first = pending.batch.has_no_waiters();
        pending.batch.reads.push((stored, reader));
        first
    }

    /// Whether new tasks may come in.
    pub(super) fn admit(&self) -> Result<(), QueueError> {
        match self.health() {
            Health::Good => Ok(()),
            Health::Full => Err(QueueError::StorageFull),
            Health::Failing => Err(QueueError::Unavailable("it cannot be written to".to_owned())),
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            full if full == Health::Full as u8 => Health::Full,
            failing if failing == Health::Failing as u8 => Health::Failing,
            _ => Health::Good,
        }
    }

    pub(super) fn set_health(&self, health: Health) {
        self.health.store(health as u8, Ordering::Relaxed);
    }

    /// Waits up to `patience` for the thread to be called. `false` once there is nothing, and nothing more to come.
    pub(super) fn await_work(&self, patience: Duration) -> bool {
        let mut pending = self.pending.lock();
        if pending.batch.has_no_waiters() && !pending.closed && !pending.called {
            pending.parked = true;
            let _ = self.arrived.wait_for(&mut pending, patience);
            pending.parked = false;
        }
        pending.called = false;
        !(pending.closed && pending.batch.is_empty())
    }

    /// Calls the thread.
    pub(super) fn call(&self) {
        let mut pending = self.pending.lock();
        pending.called = true;
        if mem::take(&mut pending.parked) {
            self.arrived.notify_one();
        }
    }

    /// Takes what has come since.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut pending = self.pending.lock();
        (!pending.batch.is_empty()).then(|| Batch { upto: self.noted(), ..mem::take(&mut pending.batch) })
    }

    /// Takes the notes that have come since, whoever waits for the thread left where they are. `None` if they are more than that many
    /// bytes.
    pub(super) fn take_small(&self, most: usize) -> Option<Batch> {
        let batch = &mut self.pending.lock().batch;
        if batch.bytes > most {
            return None;
        }
        let (notes, bytes) = (mem::take(&mut batch.notes), mem::take(&mut batch.bytes));
        Some(Batch { notes, bytes, upto: self.noted(), ..Batch::default() })
    }

    /// What was taken is written, and so is all that was taken before.
    pub(super) fn done(&self, batch: &Batch) {
        self.written.store(batch.upto, Ordering::Release);
    }

    /// Tells everybody who waits for what was not even taken that it cannot be written for now.
    pub(super) fn fail_pending(&self, error: &QueueError) {
        self.pending.lock().batch.fail(error);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.pending.lock().closed
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.pending.lock().closed = true;
        self.arrived.notify_one();
    }
}

/// The error of those who wait for a queue that has stopped.
pub(super) fn stopped() -> QueueError {
    QueueError::Unavailable("it has stopped".to_owned())
}
