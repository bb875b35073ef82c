//! What to do when the log cannot be written.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::super::journal::{Batch, Health, Journal};
use super::super::reserve::Reserve;
use crate::queue::QueueError;

/// How long whoever waits is left waiting; the change is written once it can be.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// A group that could not be written at once.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    since: Option<Instant>,
}

impl Trouble {
    /// A try has failed. The room kept for that is given up, if room is what is missing; else it is tried again after a pause. Who
    /// has waited for long is told that the outcome is unclear. `false` if it is no use to go on: nobody will read the log in this
    /// process any more.
    pub(super) fn met(
        &mut self,
        error: &io::Error,
        journal: &Journal,
        reserve: &mut Reserve,
        batch: &mut Batch,
    ) -> bool {
        let full = is_full(error);
        let since = *self.since.get_or_insert_with(|| {
            if full {
                tracing::error!(%error, "the disk is full: new tasks are refused, what runs may end");
            } else {
                tracing::error!(%error, "the queue's log cannot be written: trying again");
            }
            Instant::now()
        });
        journal.set_health(if full { Health::Full } else { Health::Failing });
        if full && reserve.give_up() {
            return true;
        }
        if since.elapsed() >= PATIENCE {
            // It may be written after all: nobody is told that it was not.
            let error = QueueError::Unavailable(error.to_string());
            batch.fail(&error);
            journal.fail_pending(&error);
            if journal.is_closed() {
                tracing::error!("the last changes could not be written: the tasks will be as they were before");
                return false;
            }
        }
        thread::sleep(PAUSE);
        true
    }

    /// The group is written.
    pub(super) fn over(self, journal: &Journal, reserve: &Reserve) {
        if self.since.is_none() {
            return;
        }
        if reserve.is_held() {
            journal.set_health(Health::Good);
            tracing::info!("the queue's log is written again");
        } else {
            journal.set_health(Health::Full);
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
