//! Who writes the log, and when: one at a time, at the desk.
//!
//! A small group is written by whoever is the first to wait for it, on its own thread: all it takes is a copy into the system's
//! memory, and a hand-over to another thread and back would cost ten times that. Everything that may block (a sync, a large group, a
//! read, a disk that is slow, full or failing, the care for the log itself) is left to a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::journal::{Journal, LoadError, Loaded, Written, stopped};
use super::writer::Writer;
use crate::queue::ledger::Stored;

/// How long to wait for work before looking after the log itself.
const PATIENCE: Duration = Duration::from_millis(250);
/// So many groups in a row are written for others before the thread takes over.
const ROUNDS: usize = 4;

/// Where the log is written.
pub(super) struct Desk {
    journal: Arc<Journal>,
    writer: Mutex<Writer>,
}

/// The thread at work; stopped and waited for when this is dropped.
#[derive(Debug)]
pub(super) struct WriterThread {
    journal: Arc<Journal>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.journal.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the queue's log broke down");
        }
    }
}

impl Desk {
    /// A desk for that writer.
    pub(super) fn new(journal: Arc<Journal>, writer: Writer) -> Arc<Self> {
        Arc::new(Self { journal, writer: Mutex::new(writer) })
    }

    /// Begins the work on a thread of its own.
    pub(super) fn start(self: &Arc<Self>) -> std::io::Result<WriterThread> {
        let (desk, journal) = (Arc::clone(self), Arc::clone(&self.journal));
        let thread = thread::Builder::new().name("queue-log".to_owned()).spawn(move || desk.run())?;
        Ok(WriterThread { journal, thread: Some(thread) })
    }

    fn run(&self) {
        while self.journal.await_work(PATIENCE) {
            self.writer.lock().work();
        }
    }

    /// Waits until everything noted so far is in the log.
    pub(super) async fn flushed(&self) -> Written {
        let (waiter, written) = oneshot::channel();
        match self.journal.wait_for(waiter) {
            Wait::Over => return Ok(()),
            Wait::First { alone } => self.see_to_it(alone).await,
            Wait::Later => {}
        }
        written.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Reads the detail of a task, once everything noted so far is in the log.
    pub(super) async fn load(&self, stored: Stored) -> Loaded {
        let (reader, loaded) = oneshot::channel();
        if self.journal.read(stored, reader) {
            self.see_to_it(false).await;
        }
        loaded.await.unwrap_or_else(|_| Err(LoadError::from(stopped())))
    }

    /// Has a batch written, once whatever else is ready to run on this thread has added to it: under load a group is as large as
    /// what comes in at once, and a write serves all of it. Whoever is alone has nobody to wait for.
    async fn see_to_it(&self, alone: bool) {
        if !alone {
            let call = Call(&self.journal);
            tokio::task::yield_now().await;
            std::mem::forget(call);
        }
        self.write_here();
    }

    /// Writes what there is to be written, on this thread, as long as that cannot take long; else the thread is called.
    fn write_here(&self) {
        for _ in 0..ROUNDS {
            // Whoever is at the desk looks once more after leaving it: see below.
            fence(Ordering::SeqCst);
            let Some(mut writer) = self.writer.try_lock() else { return };
            let more = writer.write_here();
            drop(writer);
            if !more {
                break;
            }
            // What has come while we were at the desk was left to us by those who found it taken.
            fence(Ordering::SeqCst);
            if self.journal.is_idle() {
                return;
            }
        }
        self.journal.call();
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// What whoever wants to see something written has to do for it.
pub(super) enum Wait {
    /// It is written.
    Over,
    /// It is the first to wait: it has to see to it that it is written.
    First {
        /// Nobody else has waited lately.
        alone: bool,
    },
    /// Somebody else sees to it.
    Later,
}

/// Calls the thread when dropped: the one who was to see to a batch has gone away.
struct Call<'a>(&'a Journal);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.call();
    }
}
