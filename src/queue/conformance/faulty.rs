//! A queue that fails, delays, and does what it then reports as failed.
//!
//! The simulation of dispatch includes this file as well: names come from the modules `queue` and `task` beside it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::queue::{
    Cancelled, Claim, ClaimRequest, Enqueued, LaneCounts, Lease, NewTask, OwedNotice, QueueError, QueueEvent, Released,
    Requeued, Settled, Settlement, TaskFilter, TaskPage, TaskQueue,
};
use super::task::{Chance, LaneKey, Priority, TaskId, TaskRecord, Timestamp};

/// Calls that take time before they are done, and as many whose answers do.
const DELAYED: f64 = 0.1;
const DELAY_MAX_MS: u64 = 20;

/// A backend whose answers cannot be relied on.
pub(crate) struct Faulty {
    queue: Arc<dyn TaskQueue>,
    chance: Chance,
    /// How many of the calls fail, one half before they are done, the other afterwards.
    share: f64,
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It is not done, and reported so.
    Refused,
    /// It is done, and reported as failed.
    Unheard,
}

type Batch<T> = Vec<Result<T, QueueError>>;

fn unavailable<T>() -> Result<T, QueueError> {
    Err(QueueError::Unavailable("by chance".to_owned()))
}

impl Faulty {
    pub(crate) fn new(queue: Arc<dyn TaskQueue>, chance: Chance, share: f64) -> Self {
        Self { queue, chance, share }
    }

    fn fate(&self) -> Fate {
        match self.chance.fraction() {
            luck if luck < self.share / 2.0 => Fate::Refused,
            luck if luck < self.share => Fate::Unheard,
            _ => Fate::Answered,
        }
    }

    async fn dawdle(&self) {
        if self.chance.fraction() < DELAYED {
            tokio::time::sleep(Duration::from_millis(1 + self.chance.number() % DELAY_MAX_MS)).await;
        }
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, QueueError>>) -> Result<T, QueueError> {
        let fate = self.fate();
        self.dawdle().await;
        if fate == Fate::Refused {
            return unavailable();
        }
        let answer = call.await;
        self.dawdle().await;
        if fate == Fate::Unheard { unavailable() } else { answer }
    }

    /// A batch fails as a whole, breaks off somewhere, or has single answers that are not heard. What is done is done in order.
    async fn batch<I, T, F>(&self, mut items: Vec<I>, call: impl FnOnce(Vec<I>) -> F) -> Batch<T>
    where
        F: Future<Output = Batch<T>>,
    {
        let asked = items.len();
        let fate = self.fate();
        if fate == Fate::Refused {
            items.truncate(usize::try_from(self.chance.number()).unwrap_or(0) % (asked + 1));
        }
        self.dawdle().await;
        let mut answers = call(items).await;
        self.dawdle().await;
        for answer in &mut answers {
            if fate == Fate::Unheard || self.fate() == Fate::Unheard {
                *answer = unavailable();
            }
        }
        answers.resize_with(asked, unavailable);
        answers
    }
}

#[async_trait]
impl TaskQueue for Faulty {
    async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        self.call(self.queue.enqueue(task)).await
    }

    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Vec<Result<Enqueued, QueueError>> {
        self.batch(tasks, |tasks| self.queue.enqueue_many(tasks)).await
    }

    async fn enqueue_and_claim(
        &self,
        task: NewTask,
        request: ClaimRequest,
    ) -> Result<(Enqueued, Option<Claim>), QueueError> {
        self.call(self.queue.enqueue_and_claim(task, request)).await
    }

    async fn claim(&self, lane: &LaneKey, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        self.call(self.queue.claim(lane, request)).await
    }

    async fn claim_task(&self, id: TaskId, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        self.call(self.queue.claim_task(id, request)).await
    }

    async fn renew(&self, leases: &[Lease], duration: Duration) -> Vec<Result<(), QueueError>> {
        self.batch(leases.to_vec(), |leases| async move { self.queue.renew(&leases, duration).await }).await
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        self.call(self.queue.settle(lease, settlement)).await
    }

    async fn settle_many(&self, settlements: Vec<(Lease, Settlement)>) -> Vec<Result<Settled, QueueError>> {
        self.batch(settlements, |settlements| self.queue.settle_many(settlements)).await
    }

    /// Either part may fail without the other.
    async fn settle_and_claim(
        &self,
        lease: &Lease,
        settlement: Settlement,
        request: ClaimRequest,
    ) -> (Result<Settled, QueueError>, Result<Option<Claim>, QueueError>) {
        let whole = self.fate();
        let (settle, claim) = if whole == Fate::Answered { (self.fate(), self.fate()) } else { (whole, whole) };
        self.dawdle().await;
        let (settled, claimed) = match (settle, claim) {
            (Fate::Refused, Fate::Refused) => return (unavailable(), unavailable()),
            (Fate::Refused, _) => (unavailable(), self.queue.claim(&lease.lane, request).await),
            (_, Fate::Refused) => (self.queue.settle(lease, settlement).await, unavailable()),
            _ => self.queue.settle_and_claim(lease, settlement, request).await,
        };
        self.dawdle().await;
        (
            if settle == Fate::Unheard { unavailable() } else { settled },
            if claim == Fate::Unheard { unavailable() } else { claimed },
        )
    }

    async fn release(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        self.call(self.queue.release(lease, interrupted)).await
    }

    async fn release_many(&self, leases: Vec<Lease>, interrupted: bool) -> Vec<Result<Released, QueueError>> {
        self.batch(leases, |leases| self.queue.release_many(leases, interrupted)).await
    }

    async fn cancel(&self, id: TaskId, ending: Settlement) -> Result<Cancelled, QueueError> {
        self.call(self.queue.cancel(id, ending)).await
    }

    async fn promote(&self, id: TaskId) -> Result<bool, QueueError> {
        self.call(self.queue.promote(id)).await
    }

    async fn requeue(&self, id: TaskId, expires_at: Timestamp) -> Result<Requeued, QueueError> {
        self.call(self.queue.requeue(id, expires_at)).await
    }

    async fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> Result<bool, QueueError> {
        self.call(self.queue.reprioritize(id, priority)).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, QueueError> {
        self.call(self.queue.get(id)).await
    }

    async fn position(&self, id: TaskId) -> Result<Option<u64>, QueueError> {
        self.call(self.queue.position(id)).await
    }

    async fn list(&self, filter: &TaskFilter) -> Result<TaskPage, QueueError> {
        self.call(self.queue.list(filter)).await
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>, QueueError> {
        self.call(self.queue.counts()).await
    }

    async fn lane_counts(&self, lane: &LaneKey) -> Result<LaneCounts, QueueError> {
        self.call(self.queue.lane_counts(lane)).await
    }

    async fn oldest_queued(&self, lane: &LaneKey) -> Result<Option<Timestamp>, QueueError> {
        self.call(self.queue.oldest_queued(lane)).await
    }

    async fn set_paused(&self, lane: &LaneKey, paused: bool) -> Result<(), QueueError> {
        self.call(self.queue.set_paused(lane, paused)).await
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64, QueueError> {
        self.call(self.queue.purge(filter)).await
    }

    async fn forget(&self, id: TaskId) -> Result<bool, QueueError> {
        self.call(self.queue.forget(id)).await
    }

    async fn owed_notices(&self, after: Option<OwedNotice>, limit: usize) -> Result<Vec<OwedNotice>, QueueError> {
        self.call(self.queue.owed_notices(after, limit)).await
    }

    async fn notice_done(&self, notice: OwedNotice) -> Result<(), QueueError> {
        self.call(self.queue.notice_done(notice)).await
    }

    async fn ping(&self) -> Result<(), QueueError> {
        self.call(self.queue.ping()).await
    }

    fn events(&self) -> broadcast::Receiver<QueueEvent> {
        self.queue.events()
    }

    async fn run(&self, cancel: CancellationToken) {
        self.queue.run(cancel).await;
    }
}
