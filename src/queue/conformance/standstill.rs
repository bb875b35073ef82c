//! Paused time that stands still while a backend works.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use crate::queue::*;

/// A backend during whose calls time stands still. Paused time moves on by itself whenever the runtime has nothing to do, and so also
/// while a call waits for another thread: leases would run out within a write. It does not while a task of the blocking pool runs, so
/// each call is accompanied by one.
pub(crate) struct Standstill(pub(crate) Arc<dyn TaskQueue>);

/// Awaits a call; meanwhile time stands still.
pub(crate) async fn still<T>(call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    if let Poll::Ready(answer) = futures_util::poll!(call.as_mut()) {
        return answer;
    }
    let (end, ended) = std::sync::mpsc::channel::<()>();
    // Ends with the call, or when the call is dropped.
    tokio::task::spawn_blocking(move || while ended.recv().is_ok() {});
    let answer = call.await;
    drop(end);
    answer
}

#[async_trait]
impl TaskQueue for Standstill {
    async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        still(self.0.enqueue(task)).await
    }

    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Vec<Result<Enqueued, QueueError>> {
        still(self.0.enqueue_many(tasks)).await
    }

    async fn enqueue_and_claim(
        &self,
        task: NewTask,
        request: ClaimRequest,
    ) -> Result<(Enqueued, Option<Claim>), QueueError> {
        still(self.0.enqueue_and_claim(task, request)).await
    }

    async fn claim(&self, lane: &LaneKey, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        still(self.0.claim(lane, request)).await
    }

    async fn claim_task(&self, id: TaskId, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        still(self.0.claim_task(id, request)).await
    }

    async fn renew(&self, leases: &[Lease], duration: Duration) -> Vec<Result<(), QueueError>> {
        still(self.0.renew(leases, duration)).await
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        still(self.0.settle(lease, settlement)).await
    }

    async fn settle_many(&self, settlements: Vec<(Lease, Settlement)>) -> Vec<Result<Settled, QueueError>> {
        still(self.0.settle_many(settlements)).await
    }

    async fn settle_and_claim(
        &self,
        lease: &Lease,
        settlement: Settlement,
        request: ClaimRequest,
    ) -> (Result<Settled, QueueError>, Result<Option<Claim>, QueueError>) {
        still(self.0.settle_and_claim(lease, settlement, request)).await
    }

    async fn release(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        still(self.0.release(lease, interrupted)).await
    }

    async fn release_many(&self, leases: Vec<Lease>, interrupted: bool) -> Vec<Result<Released, QueueError>> {
        still(self.0.release_many(leases, interrupted)).await
    }

    async fn cancel(&self, id: TaskId, ending: Settlement) -> Result<Cancelled, QueueError> {
        still(self.0.cancel(id, ending)).await
    }

    async fn promote(&self, id: TaskId) -> Result<bool, QueueError> {
        still(self.0.promote(id)).await
    }

    async fn requeue(&self, id: TaskId, expires_at: Timestamp) -> Result<Requeued, QueueError> {
        still(self.0.requeue(id, expires_at)).await
    }

    async fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> Result<bool, QueueError> {
        still(self.0.reprioritize(id, priority)).await
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, QueueError> {
        still(self.0.get(id)).await
    }

    async fn position(&self, id: TaskId) -> Result<Option<u64>, QueueError> {
        still(self.0.position(id)).await
    }

    async fn list(&self, filter: &TaskFilter) -> Result<TaskPage, QueueError> {
        still(self.0.list(filter)).await
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>, QueueError> {
        still(self.0.counts()).await
    }

    async fn lane_counts(&self, lane: &LaneKey) -> Result<LaneCounts, QueueError> {
        still(self.0.lane_counts(lane)).await
    }

    async fn oldest_queued(&self, lane: &LaneKey) -> Result<Option<Timestamp>, QueueError> {
        still(self.0.oldest_queued(lane)).await
    }

    async fn set_paused(&self, lane: &LaneKey, paused: bool) -> Result<(), QueueError> {
        still(self.0.set_paused(lane, paused)).await
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64, QueueError> {
        still(self.0.purge(filter)).await
    }

    async fn owed_notices(&self, after: Option<OwedNotice>, limit: usize) -> Result<Vec<OwedNotice>, QueueError> {
        still(self.0.owed_notices(after, limit)).await
    }

    async fn notice_done(&self, notice: OwedNotice) -> Result<(), QueueError> {
        still(self.0.notice_done(notice)).await
    }

    async fn ping(&self) -> Result<(), QueueError> {
        still(self.0.ping()).await
    }

    fn events(&self) -> broadcast::Receiver<QueueEvent> {
        self.0.events()
    }

    async fn run(&self, cancel: CancellationToken) {
        self.0.run(cancel).await;
    }
}

#[tokio::test(start_paused = true)]
async fn time_stands_still_while_another_thread_works() {
    let began = tokio::time::Instant::now();
    let ticks = tokio::spawn(async { tokio::time::sleep(Duration::from_secs(1)).await });
    let (answer, answered) = tokio::sync::oneshot::channel();
    let elsewhere = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        answer.send(7)
    });
    assert_eq!(still(answered).await, Ok(7));
    assert_eq!((began.elapsed(), ticks.is_finished()), (Duration::ZERO, false));
    ticks.await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(1), "and goes on afterwards");
    elsewhere.join().unwrap().unwrap();
}
