//! Who writes the log, and when: one at a time, at the desk.
//!
//! A small group is written by whoever is the first to wait for it, on its own thread: all it takes is a copy into the system's
//! memory, and a hand-over to another thread and back would cost ten times that. Everything that may block (a sync, a large group, a
//! read, a disk that is slow, full or failing, the care for the log itself) is left to a thread of its own.

use std::hint::spin_loop;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::journal::{Journal, LoadError, Loaded, Written, stopped};
use super::writer::Writer;
use crate::queue::ledger::Stored;
use crate::task::PerThread;

/// How long to wait for work before looking after the log itself.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often the desk is looked at before the thread is called: about as long as a group takes.
const LOOKS: usize = 200;
/// Whoever waited so long after the last group of its thread, and alone for that one, is taken to be alone.
const COMPANY: Duration = Duration::from_micros(100);

/// Where the log is written.
pub(super) struct Desk {
    journal: Arc<Journal>,
    writer: Mutex<Writer>,
    /// Those who wait, by thread: each thread answers its own, and none has to be woken by another.
    lines: PerThread<Mutex<Line>>,
}

/// Those who wait on one thread.
struct Line {
    /// With the number of notes that are to be written.
    waiting: SmallVec<[(u64, oneshot::Sender<Written>); 8]>,
    /// When the last ones were answered, and whether they were more than one.
    answered: Instant,
    crowded: bool,
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
        Arc::new(Self { journal, writer: Mutex::new(writer), lines: PerThread::default() })
    }

    /// Begins the work on a thread of its own.
    pub(super) fn start(self: &Arc<Self>) -> std::io::Result<WriterThread> {
        let (desk, journal) = (Arc::clone(self), Arc::clone(&self.journal));
        let thread = thread::Builder::new().name("queue-log".to_owned()).spawn(move || desk.run())?;
        Ok(WriterThread { journal, thread: Some(thread) })
    }

    fn run(&self) {
        let mut looked = Instant::now();
        while self.journal.await_work(PATIENCE) {
            self.writer.lock().work();
            if looked.elapsed() >= PATIENCE {
                looked = Instant::now();
                self.take_over();
            }
        }
    }

    /// Leaves whoever stands in a line to the thread. The first in it may be held by somebody who does not poll it, and who waits for
    /// one behind it.
    fn take_over(&self) {
        for line in self.lines.all() {
            let waiting = std::mem::take(&mut line.lock().waiting);
            if !waiting.is_empty() {
                self.journal.hand_over(waiting.into_iter().map(|(_, waiter)| waiter));
            }
        }
    }

    /// Waits until everything noted so far is in the log.
    pub(super) async fn flushed(&self) -> Written {
        let upto = self.journal.noted();
        if self.journal.written() >= upto {
            return Ok(());
        }
        let line = self.lines.own();
        if line.lock().is_quiet() && self.write_here() {
            return Ok(());
        }
        let (waiter, written) = oneshot::channel();
        let first = {
            let mut line = line.lock();
            line.waiting.push((upto, waiter));
            line.waiting.len() == 1
        };
        if first {
            // Under load a group is as large as what comes in at once, and a write serves all of it.
            let unseen = Unseen { desk: self, line };
            tokio::task::yield_now().await;
            drop(unseen);
        }
        written.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Reads the detail of a task, once everything noted so far is in the log.
    pub(super) async fn load(&self, stored: Stored) -> Loaded {
        let (reader, loaded) = oneshot::channel();
        if self.journal.read(stored, reader) {
            let call = Call(&self.journal);
            tokio::task::yield_now().await;
            drop(call);
        }
        loaded.await.unwrap_or_else(|_| Err(LoadError::from(stopped())))
    }

    /// Writes what has been noted so far, if nobody is at the desk and it cannot take long.
    fn write_here(&self) -> bool {
        self.writer.try_lock().is_some_and(|mut writer| writer.write_here())
    }

    /// Has everything written that a line waits for: here, as long as that cannot take long, else by the thread.
    fn see_to(&self, line: &Mutex<Line>) {
        for _ in 0..LOOKS {
            let left_to_thread = if let Some(mut writer) = self.writer.try_lock() {
                !writer.write_here()
            } else {
                // Whoever is at the desk may be writing just this.
                spin_loop();
                false
            };
            if line.lock().answer(self.journal.written()) {
                return;
            }
            if left_to_thread {
                break;
            }
        }
        let waiting = std::mem::take(&mut line.lock().waiting);
        self.journal.hand_over(waiting.into_iter().map(|(_, waiter)| waiter));
    }
}

impl Default for Line {
    fn default() -> Self {
        Self { waiting: SmallVec::new(), answered: Instant::now(), crowded: false }
    }
}

impl Line {
    /// Nobody waits, nor has for a while: whoever comes now has nobody to wait for.
    fn is_quiet(&mut self) -> bool {
        let now = Instant::now();
        let quiet = self.waiting.is_empty() && !self.crowded && now.duration_since(self.answered) > COMPANY;
        if quiet {
            self.answered = now;
        }
        quiet
    }

    /// Answers those whose notes are written; whether nobody is left.
    fn answer(&mut self, written: u64) -> bool {
        if self.waiting.iter().any(|(upto, _)| *upto > written) {
            return false;
        }
        (self.answered, self.crowded) = (Instant::now(), self.waiting.len() > 1);
        for (_, waiter) in self.waiting.drain(..) {
            // Whoever asked may be gone.
            let _ = waiter.send(Ok(()));
        }
        true
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// A line that the first in it has to see to, also if that one goes away.
struct Unseen<'a> {
    desk: &'a Desk,
    line: &'a Mutex<Line>,
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        self.desk.see_to(self.line);
    }
}

/// Calls the thread when dropped.
struct Call<'a>(&'a Journal);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.call();
    }
}
