//! The queue in this process's memory: nothing outlives it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::ledger::{Found, Ledger, Look, NoStore, Records, Seen, Taken};
use super::{
    Cancelled, Claim, ClaimRequest, Enqueued, LaneCounts, Lease, NewTask, OwedNotice, QueueError, QueueEvent,
    QueueLimits, Released, Requeued, Settled, Settlement, TaskFilter, TaskPage, TaskQueue,
};
use crate::task::{Clock, LaneKey, Priority, TaskId, TaskRecord, Timestamp};

/// The queue in this process's memory: a ledger without a store.
#[derive(Debug)]
pub struct MemoryQueue {
    ledger: Ledger<NoStore>,
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new(limits: QueueLimits, clock: Clock) -> Self {
        Self { ledger: Ledger::new(limits, clock, Arc::new(NoStore)) }
    }
}

fn claim(taken: Taken) -> Option<Claim> {
    match taken.found {
        Found::Here { spec, last_attempt } => Some(Claim::of(taken.lease, &taken.standing, spec, last_attempt)),
        // There is no store.
        Found::Stored(_) => None,
    }
}

fn record(look: Look) -> Option<TaskRecord> {
    match look.seen {
        Seen::Here(detail) => Some(detail.record(&look.standing)),
        // There is no store.
        Seen::Stored(_) => None,
    }
}

impl Records for MemoryQueue {
    async fn records(&self, looks: Vec<Look>) -> Result<Vec<TaskRecord>, QueueError> {
        Ok(looks.into_iter().filter_map(record).collect())
    }
}

#[async_trait]
impl TaskQueue for MemoryQueue {
    async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        self.ledger.add(task, None).map(|(enqueued, _)| enqueued)
    }

    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Vec<Result<Enqueued, QueueError>> {
        tasks.into_iter().map(|task| self.ledger.add(task, None).map(|(enqueued, _)| enqueued)).collect()
    }

    async fn enqueue_and_claim(
        &self,
        task: NewTask,
        request: ClaimRequest,
    ) -> Result<(Enqueued, Option<Claim>), QueueError> {
        self.ledger.add(task, Some(&request)).map(|(enqueued, taken)| (enqueued, taken.and_then(claim)))
    }

    async fn claim(&self, lane: &LaneKey, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        Ok(self.ledger.claim(lane, &request).and_then(claim))
    }

    async fn claim_task(&self, id: TaskId, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        Ok(self.ledger.claim_task(id, &request).and_then(claim))
    }

    async fn renew(&self, leases: &[Lease], duration: Duration) -> Vec<Result<(), QueueError>> {
        leases.iter().map(|lease| self.ledger.renew(lease, duration)).collect()
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        self.ledger.settle(lease, settlement)
    }

    async fn settle_many(&self, settlements: Vec<(Lease, Settlement)>) -> Vec<Result<Settled, QueueError>> {
        settlements.into_iter().map(|(lease, settlement)| self.ledger.settle(&lease, settlement)).collect()
    }

    async fn settle_and_claim(
        &self,
        lease: &Lease,
        settlement: Settlement,
        request: ClaimRequest,
    ) -> (Result<Settled, QueueError>, Result<Option<Claim>, QueueError>) {
        let settled = self.ledger.settle(lease, settlement);
        (settled, Ok(self.ledger.claim(&lease.lane, &request).and_then(claim)))
    }

    async fn release(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        self.ledger.release(lease, interrupted)
    }

    async fn release_many(&self, leases: Vec<Lease>, interrupted: bool) -> Vec<Result<Released, QueueError>> {
        leases.iter().map(|lease| self.ledger.release(lease, interrupted)).collect()
    }

    async fn cancel(&self, id: TaskId, ending: Settlement) -> Result<Cancelled, QueueError> {
        Ok(self.ledger.cancel(id, ending))
    }

    async fn promote(&self, id: TaskId) -> Result<bool, QueueError> {
        Ok(self.ledger.promote(id))
    }

    async fn requeue(&self, id: TaskId, expires_at: Timestamp) -> Result<Requeued, QueueError> {
        self.ledger.requeue(id, expires_at)
    }

    async fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> Result<bool, QueueError> {
        Ok(self.ledger.reprioritize(id, priority))
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, QueueError> {
        Ok(self.ledger.look(id).and_then(record))
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
        Ok(())
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64, QueueError> {
        self.ledger.purge(filter, self).await
    }

    async fn forget(&self, id: TaskId) -> Result<bool, QueueError> {
        let ended = self.get(id).await?.and_then(|record| record.finished_at);
        Ok(ended.is_some_and(|at| self.ledger.purge_one(id, at)))
    }

    async fn owed_notices(&self, after: Option<OwedNotice>, limit: usize) -> Result<Vec<OwedNotice>, QueueError> {
        Ok(self.ledger.owed_notices(after, limit))
    }

    async fn notice_done(&self, notice: OwedNotice) -> Result<(), QueueError> {
        self.ledger.notice_done(&notice);
        Ok(())
    }

    async fn ping(&self) -> Result<(), QueueError> {
        Ok(())
    }

    fn events(&self) -> broadcast::Receiver<QueueEvent> {
        self.ledger.events()
    }

    async fn run(&self, cancel: CancellationToken) {
        self.ledger.run(cancel).await;
    }
}
