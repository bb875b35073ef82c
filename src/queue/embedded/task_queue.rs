//! The queue's contract, kept by the ledger and the log.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::EmbeddedQueue;
use super::reader::Reader;
use crate::queue::ledger::{Look, Records, Seen};
use crate::queue::{
    Cancelled, Claim, ClaimRequest, Enqueued, LaneCounts, Lease, NewTask, OwedNotice, QueueError, QueueEvent, Released,
    Requeued, Settled, Settlement, TaskFilter, TaskPage, TaskQueue,
};
use crate::task::{LaneKey, Priority, TaskId, TaskRecord, Timestamp};

/// How many tasks of a batch are on their way to the log at once.
const ENQUEUED_AT_ONCE: usize = 256;
/// How often a task is looked for again that was moved while it was read.
const READ_TRIES: usize = 3;

impl Records for EmbeddedQueue {
    async fn records(&self, looks: Vec<Look>) -> Result<Vec<TaskRecord>, QueueError> {
        let all_here = looks.iter().all(|look| matches!(look.seen, Seen::Here(_)));
        let reader = self.reader.clone();
        let read = move || looks.into_iter().filter_map(|look| record(look, &reader)).collect();
        if all_here {
            return Ok(read());
        }
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|error| QueueError::Unavailable(format!("the reading broke down: {error}")))
    }
}

fn record(look: Look, reader: &Reader) -> Option<TaskRecord> {
    let detail = match look.seen {
        Seen::Here(detail) => *detail,
        Seen::Stored(stored) => {
            let id = stored.id;
            let read = reader.load(*stored);
            read.inspect_err(|error| tracing::warn!(task = %id, %error, "cannot read what is stored of a task")).ok()?
        }
    };
    Some(detail.record(&look.standing))
}

#[async_trait]
impl TaskQueue for EmbeddedQueue {
    async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        self.journal.admit()?;
        let unanswered = self.unanswered(&task.spec.lane, None);
        let added = self.ledger.add(task, None);
        let flushed = self.desk.flushed().await;
        unanswered.answered();
        let (enqueued, _) = added?;
        flushed.map(|()| enqueued)
    }

    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Vec<Result<Enqueued, QueueError>> {
        let mut answers = Vec::with_capacity(tasks.len());
        let mut tasks = tasks.into_iter().peekable();
        while tasks.peek().is_some() {
            let chunk = tasks.by_ref().take(ENQUEUED_AT_ONCE).map(|task| {
                self.journal.admit()?;
                self.ledger.add(task, None).map(|(enqueued, _)| enqueued)
            });
            answers.extend(self.all_flushed(chunk.collect()).await);
        }
        answers
    }

    async fn enqueue_and_claim(
        &self,
        task: NewTask,
        request: ClaimRequest,
    ) -> Result<(Enqueued, Option<Claim>), QueueError> {
        self.journal.admit()?;
        let lane = task.spec.lane.clone();
        let (enqueued, taken) = self.ledger.add(task, Some(&request))?;
        let unanswered = self.unanswered(&lane, taken.as_ref().map(|taken| &taken.lease));
        let claim = match taken {
            Some(taken) => self.claim_of(taken).await,
            None => self.desk.flushed().await.map(|()| None),
        };
        unanswered.answered();
        claim.map(|claim| (enqueued, claim))
    }

    async fn claim(&self, lane: &LaneKey, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        self.is_well()?;
        self.claim_head(lane, &request).await
    }

    async fn claim_task(&self, id: TaskId, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        self.is_well()?;
        let Some(taken) = self.ledger.claim_task(id, &request) else { return Ok(None) };
        let unanswered = self.unanswered(&taken.lease.lane, Some(&taken.lease));
        let claim = self.claim_of(taken).await;
        unanswered.answered();
        claim
    }

    async fn renew(&self, leases: &[Lease], duration: Duration) -> Vec<Result<(), QueueError>> {
        // A lease does not outlive the process: there is nothing to write.
        leases.iter().map(|lease| self.ledger.renew(lease, duration)).collect()
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        let settled = self.ledger.settle(lease, settlement)?;
        self.desk.flushed().await?;
        Ok(settled)
    }

    async fn settle_many(&self, settlements: Vec<(Lease, Settlement)>) -> Vec<Result<Settled, QueueError>> {
        let settle = |(lease, settlement): (Lease, Settlement)| self.ledger.settle(&lease, settlement);
        let settled: Vec<_> = settlements.into_iter().map(settle).collect();
        self.all_flushed(settled).await
    }

    async fn settle_and_claim(
        &self,
        lease: &Lease,
        settlement: Settlement,
        request: ClaimRequest,
    ) -> (Result<Settled, QueueError>, Result<Option<Claim>, QueueError>) {
        let settled = self.ledger.settle(lease, settlement);
        // Whoever waits for the claim to be written has waited for the settlement.
        let claimed = self.claim_head(&lease.lane, &request).await;
        match (settled, self.desk.flushed().await) {
            (Ok(_), Err(error)) => (Err(error), claimed),
            (settled, _) => (settled, claimed),
        }
    }

    async fn release(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        let released = self.ledger.release(lease, interrupted)?;
        self.desk.flushed().await?;
        Ok(released)
    }

    async fn release_many(&self, leases: Vec<Lease>, interrupted: bool) -> Vec<Result<Released, QueueError>> {
        let released: Vec<_> = leases.iter().map(|lease| self.ledger.release(lease, interrupted)).collect();
        self.all_flushed(released).await
    }

    async fn cancel(&self, id: TaskId, ending: Settlement) -> Result<Cancelled, QueueError> {
        let cancelled = self.ledger.cancel(id, ending);
        self.desk.flushed().await?;
        Ok(cancelled)
    }

    async fn promote(&self, id: TaskId) -> Result<bool, QueueError> {
        let promoted = self.ledger.promote(id);
        self.desk.flushed().await?;
        Ok(promoted)
    }

    async fn requeue(&self, id: TaskId, expires_at: Timestamp) -> Result<Requeued, QueueError> {
        self.journal.admit()?;
        let requeued = self.ledger.requeue(id, expires_at)?;
        self.desk.flushed().await?;
        Ok(requeued)
    }

    async fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> Result<bool, QueueError> {
        let changed = self.ledger.reprioritize(id, priority);
        self.desk.flushed().await?;
        Ok(changed)
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, QueueError> {
        // What is shown is not to be taken back by a crash.
        self.desk.flushed().await?;
        for _ in 0..READ_TRIES {
            let Some(look) = self.ledger.look(id) else { return Ok(None) };
            if let Some(record) = self.records(vec![look]).await?.pop() {
                return Ok(Some(record));
            }
        }
        Err(QueueError::Unavailable(format!("what is stored of task {id} cannot be read")))
    }

    async fn position(&self, id: TaskId) -> Result<Option<u64>, QueueError> {
        Ok(self.ledger.position(id))
    }

    async fn list(&self, filter: &TaskFilter) -> Result<TaskPage, QueueError> {
        self.ledger.list(filter, self).await
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>, QueueError> {
        Ok(self.ledger.counts())
    }

    async fn lane_counts(&self, lane: &LaneKey) -> Result<LaneCounts, QueueError> {
        Ok(self.ledger.lane_counts(lane))
    }

    async fn oldest_queued(&self, lane: &LaneKey) -> Result<Option<Timestamp>, QueueError> {
        Ok(self.ledger.oldest_queued(lane))
    }

    async fn set_paused(&self, lane: &LaneKey, paused: bool) -> Result<(), QueueError> {
        self.ledger.set_paused(lane, paused);
        self.desk.flushed().await
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64, QueueError> {
        let purged = self.ledger.purge(filter, self).await;
        self.desk.flushed().await?;
        purged
    }

    async fn forget(&self, id: TaskId) -> Result<bool, QueueError> {
        let ended = self.get(id).await?.and_then(|record| record.finished_at);
        let forgotten = ended.is_some_and(|at| self.ledger.purge_one(id, at));
        self.desk.flushed().await?;
        Ok(forgotten)
    }

    async fn owed_notices(&self, after: Option<OwedNotice>, limit: usize) -> Result<Vec<OwedNotice>, QueueError> {
        let owed = self.ledger.owed_notices(after, limit);
        // Nobody is told of an ending that a crash may still take back.
        self.desk.flushed().await?;
        Ok(owed)
    }

    async fn notice_done(&self, notice: OwedNotice) -> Result<(), QueueError> {
        self.ledger.notice_done(&notice);
        self.desk.flushed().await
    }

    async fn ping(&self) -> Result<(), QueueError> {
        self.is_well()
    }

    fn events(&self) -> broadcast::Receiver<QueueEvent> {
        self.ledger.events()
    }

    async fn run(&self, cancel: CancellationToken) {
        self.ledger.run(cancel).await;
    }
}

impl EmbeddedQueue {
    /// The answers, once what they tell is in the log.
    async fn all_flushed<T>(&self, mut answers: Vec<Result<T, QueueError>>) -> Vec<Result<T, QueueError>> {
        if let Err(error) = self.desk.flushed().await {
            answers.iter_mut().filter(|answer| answer.is_ok()).for_each(|answer| *answer = Err(error.clone()));
        }
        answers
    }
}
