//! The queue on this machine's disk: one process, one directory, no service.
//!
//! Every change of the [ledger](super::ledger) goes to a log, and is in it before anybody is told of it. One writes at a time; what comes
//! meanwhile goes into the next group, so that the cost of a write is shared by whoever waits for it.
//!
//! - `journal`: what is on its way to the log; `desk`: who writes it; `writer`: how; `log`, `files`: groups, on segment files; `frame`, `codec`: what
//!   is in a group; `space`: how much of which file is of use still.
//! - `recovery`: from the log back to the ledger; `reader`: what the ledger has let go of; `lock`: one process a directory;
//!   `reserve`: room for the ends of tasks on a full disk.
//! - `entries`: what is written, to be measured without a log.
//! - `doctor`: what can be done about a log that is damaged, while no balancer runs on it.

mod codec;
mod desk;
mod doctor;
mod entries;
mod error;
mod files;
mod frame;
mod journal;
mod lock;
mod log;
mod reader;
mod recovery;
mod reserve;
mod sizes;
mod space;
mod task_queue;
mod unanswered;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use self::desk::{Desk, WriterThread};
pub use self::doctor::{Damage, Doctor, Findings, LogFile, Repaired, TaskCounts, TornTail, UnreadableTask};
pub use self::entries::LogEntries;
pub use self::error::OpenError;
use self::files::Files;
use self::journal::{Health, Journal};
use self::lock::DirectoryLock;
use self::reader::Reader;
use self::reserve::Reserve;
use self::sizes::Sizes;
use self::writer::Writer;
use super::ledger::{Found, Ledger, Place, Seen, Stored, Taken};
use super::{Claim, ClaimRequest, QueueError, QueueLimits, Sealer, Settlement};
use crate::config::Durability;
use crate::task::{Clock, ErrorCode, LaneKey, TaskId};

/// The folder of the log in the data directory.
const QUEUE: &str = "queue";

/// The queue on this machine's disk.
#[derive(Debug)]
pub struct EmbeddedQueue {
    // Dropped first: it finishes what is on its way to the log.
    _thread: WriterThread,
    ledger: Arc<Ledger<Journal>>,
    journal: Arc<Journal>,
    desk: Arc<Desk>,
    reader: Reader,
    _lock: DirectoryLock,
}

impl EmbeddedQueue {
    /// Opens the queue in a data directory; it is made if there is none. Tasks that ran when the last process ended wait again, and
    /// that is counted as an interruption; what was under way to a client of a stream is cancelled.
    ///
    /// This reads the whole log, and blocks meanwhile.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: another process has the directory, it cannot be read, it is damaged, or of another version.
    pub fn open(
        data: &Path,
        limits: QueueLimits,
        clock: Clock,
        sealer: Sealer,
        durability: Durability,
    ) -> Result<Self, OpenError> {
        let sizes = Sizes::default();
        Self::open_on(data, limits, clock, sealer, durability, sizes, |directory| Files::open(directory, sizes.segment))
    }

    /// The same with these sizes, on the files that `open` opens.
    fn open_on(
        data: &Path,
        limits: QueueLimits,
        clock: Clock,
        sealer: Sealer,
        durability: Durability,
        sizes: Sizes,
        open: impl FnOnce(&Path) -> Result<Files, wal_db::WalError>,
    ) -> Result<Self, OpenError> {
        let lock = DirectoryLock::take(data)?;
        let directory = data.join(QUEUE);
        doctor::refuse_half_repaired(data)?;
        std::fs::create_dir_all(&directory).map_err(|error| OpenError::io("cannot make", &directory, error))?;
        let journal = Arc::new(Journal::default());
        let ledger = Arc::new(Ledger::new(limits, clock, Arc::clone(&journal)));
        let files = open(&directory).map_err(|error| OpenError::io("cannot open", &directory, error::as_io(error)))?;
        let (log, space) = recovery::recover(&directory, &files, sizes, durability, &ledger)?;
        let mut reserve = Reserve::new(&directory, sizes.reserve);
        reserve.take_for(&journal);

        let sealer = Arc::new(sealer);
        let reader = Reader::new(log.reader(), Arc::clone(&sealer));
        let writer = Writer::new(Arc::clone(&ledger), log, sealer, space, reserve, sizes.step);
        let desk = Desk::new(Arc::clone(&journal), writer);
        let thread = desk.start().map_err(|error| OpenError::io("cannot start a thread for", &directory, error))?;
        Ok(Self { _thread: thread, ledger, journal, desk, reader, _lock: lock })
    }

    /// The claim of a task that was taken, once that is in the log. `None` if the task cannot be read: it has failed then.
    async fn claim_of(&self, taken: Taken) -> Result<Option<Claim>, QueueError> {
        let (lease, standing) = (taken.lease.clone(), taken.standing);
        let mut stored = match taken.found {
            Found::Here { spec, last_attempt } => {
                self.desk.flushed().await?;
                return Ok(Some(Claim::of(lease, &standing, spec, last_attempt)));
            }
            Found::Stored(stored) => *stored,
        };
        let detail = loop {
            let tried = stored.task;
            match self.desk.load(stored).await {
                Err(journal::LoadError::Read(error)) => match self.moved(lease.task, tried) {
                    Some(elsewhere) => stored = elsewhere,
                    None => break Err(error),
                },
                Err(journal::LoadError::Queue(error)) => return Err(error),
                Ok(detail) => break Ok(detail),
            }
        };
        match detail {
            Ok(detail) => {
                let last_attempt = detail.last_attempt(standing.earlier);
                let spec = self.ledger.warm(taken.entry, &lease, detail).ok_or(QueueError::LeaseLost)?;
                Ok(Some(Claim::of(lease, &standing, spec, last_attempt)))
            }
            Err(error) => {
                tracing::error!(task = %lease.task, %error, "a task cannot be read any more, and has failed");
                let error = format!("What is stored of the task cannot be read: {error}").into();
                let code = ErrorCode::Internal;
                self.ledger.settle(&lease, Settlement::Fail { attempt: None, error, code, result: None })?;
                self.desk.flushed().await?;
                Ok(None)
            }
        }
    }

    /// Where a task is that was copied away, and the place it was at cut off, before it was read there.
    fn moved(&self, id: TaskId, tried: Place) -> Option<Stored> {
        match self.ledger.look(id)?.seen {
            Seen::Stored(stored) if stored.task != tried => Some(*stored),
            _ => None,
        }
    }

    /// Claims the head of a lane; one that cannot be read is not the head any more.
    async fn claim_head(&self, lane: &LaneKey, request: &ClaimRequest) -> Result<Option<Claim>, QueueError> {
        while let Some(taken) = self.ledger.claim(lane, request) {
            let unanswered = self.unanswered(lane, Some(&taken.lease));
            let claim = self.claim_of(taken).await;
            unanswered.answered();
            if let Some(claim) = claim? {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    fn is_well(&self) -> Result<(), QueueError> {
        match self.journal.health() {
            Health::Good | Health::Full => Ok(()),
            Health::Failing => self.journal.admit(),
        }
    }
}
