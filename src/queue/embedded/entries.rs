//! Entries of the log by themselves, without a log.

use std::io;

use super::codec;
use crate::queue::Sealer;
use crate::queue::ledger::{End, Order, Phase, Standing};
use crate::task::{TaskRecord, TaskState};

/// What the embedded queue writes about tasks: a group of its log, in memory. Nothing is stored; it is there to be measured.
///
/// A record does not say how many others were in the lane before it, nor how often its task was claimed and given back: an entry is
/// that of the first task of a lane, of which every claim became an attempt.
#[derive(Debug, Default)]
pub struct LogEntries(Vec<u8>);

impl LogEntries {
    /// Adds the entry of a task that is new.
    ///
    /// # Errors
    ///
    /// The form of the log has no room for it. Nothing is added then.
    pub fn added(&mut self, task: &TaskRecord, sealer: &Sealer) -> io::Result<()> {
        codec::put_task(&mut self.0, &task.spec, &standing(task), sealer).map(drop).map_err(io::Error::other)
    }

    /// Adds the entry of a task that a claim was settled of: how it stands, its attempts, and its end.
    ///
    /// # Errors
    ///
    /// The form of the log has no room for it. Nothing is added then.
    pub fn settled(&mut self, task: &TaskRecord) -> io::Result<()> {
        let end = End { result: task.result.clone(), error: task.error.clone(), code: task.code };
        let end = task.state.is_ending().then_some(&end);
        codec::put_change(&mut self.0, task.spec.id, &standing(task), Some(&task.attempts), end)
            .map(drop)
            .map_err(io::Error::other)
    }

    /// The entries as they lie in the log.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Begins another group, in the same memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn standing(task: &TaskRecord) -> Standing {
    let ended_at = task.finished_at.unwrap_or(task.spec.created_at);
    let attempts = u32::try_from(task.attempts.len()).unwrap_or(u32::MAX);
    Standing {
        phase: match task.state {
            TaskState::Queued => Phase::Queued,
            TaskState::Delayed => Phase::Delayed(task.run_at.unwrap_or(task.spec.created_at)),
            TaskState::Running => Phase::Running,
            TaskState::Completed => Phase::Completed(ended_at),
            TaskState::Failed => Phase::Failed(ended_at),
            TaskState::Cancelled => Phase::Cancelled(ended_at),
        },
        order: Order::new(task.priority, 0),
        expires_at: task.spec.expires_at,
        // A claim and its settlement.
        version: attempts.saturating_mul(2),
        attempts,
        earlier: 0,
        interruptions: u16::try_from(task.interruptions).unwrap_or(u16::MAX),
        mode: task.spec.mode,
        owes_notice: task.owes_notice,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::{Durability, Settings};
    use crate::queue::conformance::{Bench, complete, limits};
    use crate::queue::{ClaimRequest, EmbeddedQueue, MemoryQueue, RequestId, TaskQueue};

    fn sealer() -> Sealer {
        Sealer::new(&Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap().auth).unwrap()
    }

    fn is_in_the_log(directory: &Path, entry: &[u8]) -> bool {
        let files = std::fs::read_dir(directory.join(super::super::QUEUE)).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .any(|log| log.windows(entry.len()).any(|bytes| bytes == entry))
    }

    #[tokio::test]
    async fn they_are_byte_for_byte_what_the_queue_writes() {
        let directory = tempfile::tempdir().unwrap();
        let tasks = Bench::new(|limits, clock| Arc::new(MemoryQueue::new(limits, clock)), limits());
        let clock = tasks.clock.clone();
        let queue = EmbeddedQueue::open(directory.path(), limits(), clock, sealer(), Durability::System).unwrap();
        let task = tasks.task("g", 0);
        let (id, lane) = (task.spec.id, task.spec.lane.clone());
        let mut entries = LogEntries::default();

        queue.enqueue(task).await.unwrap();
        entries.added(&queue.get(id).await.unwrap().unwrap(), &sealer()).unwrap();
        assert!(is_in_the_log(directory.path(), entries.bytes()));

        let request = ClaimRequest::new(RequestId(1), Duration::from_hours(1));
        let claim = queue.claim(&lane, request).await.unwrap().unwrap();
        queue.settle(&claim.lease, complete()).await.unwrap();
        entries.clear();
        entries.settled(&queue.get(id).await.unwrap().unwrap()).unwrap();
        assert!(is_in_the_log(directory.path(), entries.bytes()));
    }
}
