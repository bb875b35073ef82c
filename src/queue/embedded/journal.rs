//! What is on its way to the log.

use std::mem;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::log::ReadError;
use crate::queue::QueueError;
use crate::queue::ledger::{Detail, Note, Store, Stored};

/// What an answer of the writer may be.
type Written = Result<(), QueueError>;
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

/// What is on its way to the log: notes, and whoever waits for them to be there. Bounded by its callers, since each waits for its own.
#[derive(Debug)]
pub(super) struct Journal {
    pending: Mutex<Pending>,
    arrived: Condvar,
    health: AtomicU8,
}

#[derive(Debug, Default)]
struct Pending {
    batch: Batch,
    /// The writer is at work on an earlier batch.
    writing: bool,
    /// The writer waits to be told of work.
    parked: bool,
    closed: bool,
}

/// What the writer does in one go.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) notes: Vec<Note>,
    pub(super) waiters: Vec<oneshot::Sender<Written>>,
    pub(super) reads: Vec<(Stored, oneshot::Sender<Loaded>)>,
}

impl Batch {
    pub(super) const fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.waiters.is_empty() && self.reads.is_empty()
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

/// What the writer finds.
pub(super) enum Work {
    Batch(Batch),
    /// Nothing for a while.
    Idle,
    /// Nothing, and nothing more to come.
    Closed,
}

impl Default for Journal {
    fn default() -> Self {
        Self { pending: Mutex::default(), arrived: Condvar::new(), health: AtomicU8::new(Health::Good as u8) }
    }
}

impl Store for Journal {
    const KEEPS: bool = true;

    fn note(&self, note: Note) {
        // Whoever noted something waits for it: the writer is woken then.
        self.pending.lock().batch.notes.push(note);
    }
}

impl Journal {
    /// Waits until everything noted so far is in the log.
    pub(super) async fn flushed(&self) -> Written {
        let (waiter, written) = oneshot::channel();
        let first = {
            let mut pending = self.pending.lock();
            if pending.batch.is_empty() && !pending.writing {
                return Ok(());
            }
            let first = pending.batch.has_no_waiters();
            pending.batch.waiters.push(waiter);
            first
        };
        self.wake_writer(first).await;
        written.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Wakes the writer for a batch, once whatever else is ready to run on this thread has added to it: under load a group is as
    /// large as what comes in at once, and a wake serves all of it; without load nothing else is ready.
    async fn wake_writer(&self, first: bool) {
        if !first {
            return;
        }
        let wake = Wake(self);
        tokio::task::yield_now().await;
        drop(wake);
    }

    /// Reads the detail of a task, once everything noted so far is in the log.
    pub(super) async fn load(&self, stored: Stored) -> Loaded {
        let (reader, loaded) = oneshot::channel();
        let first = {
            let mut pending = self.pending.lock();
            let first = pending.batch.has_no_waiters();
            pending.batch.reads.push((stored, reader));
            first
        };
        self.wake_writer(first).await;
        loaded.await.unwrap_or_else(|_| Err(stopped().into()))
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

    /// Takes what has come since; waits for it up to `patience`. What was taken before is done.
    pub(super) fn take(&self, patience: Duration) -> Work {
        let mut pending = self.pending.lock();
        pending.writing = false;
        if pending.batch.is_empty() && !pending.closed {
            pending.parked = true;
            let _ = self.arrived.wait_for(&mut pending, patience);
            pending.parked = false;
        }
        if pending.batch.is_empty() {
            return if pending.closed { Work::Closed } else { Work::Idle };
        }
        pending.writing = true;
        Work::Batch(mem::take(&mut pending.batch))
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

/// Wakes the writer when dropped: also if the one who was to do it goes away meanwhile.
struct Wake<'a>(&'a Journal);

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        let mut pending = self.0.pending.lock();
        if !pending.batch.is_empty() && mem::take(&mut pending.parked) {
            self.0.arrived.notify_one();
        }
    }
}

fn stopped() -> QueueError {
    QueueError::Unavailable("it has stopped".to_owned())
}
