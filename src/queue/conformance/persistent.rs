//! A caller that repeats what failed until the outcome is clear.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::queue::*;
use crate::task::{ErrorCode, TaskState};

/// More than chance lets fail in a row.
const TRIES: usize = 200;

/// A caller that repeats what failed until the outcome is clear, with the same task id, lease and request id: on top of a queue that
/// fails it behaves as one that does not. An enqueue and a write without a token of its own answer a repeat for what it finds; what the
/// first try did is then told by how the task stood before.
pub(crate) struct Persistent {
    queue: Arc<dyn TaskQueue>,
    /// Tasks that are known to be in the store.
    stored: Mutex<HashSet<TaskId>>,
}

/// A clear answer, and whether a try before it was unclear.
struct Answer<T> {
    answer: Result<T, QueueError>,
    repeated: bool,
}

impl<T> Answer<T> {
    /// What a repeat answers in place of what the first try did.
    fn read(self, repeat: impl FnOnce(T) -> T) -> Result<T, QueueError> {
        if self.repeated { self.answer.map(repeat) } else { self.answer }
    }
}

/// Calls until the answer is clear; the call is told whether it is a repeat.
async fn until_clear<T, F>(mut call: impl FnMut(bool) -> F) -> Answer<T>
where
    F: Future<Output = Result<T, QueueError>>,
{
    for n in 0..TRIES {
        match call(n > 0).await {
            Err(QueueError::Unavailable(_)) => {}
            answer => return Answer { answer, repeated: n > 0 },
        }
    }
    panic!("no clear answer in {TRIES} tries");
}

/// The same for a batch: only what is unclear is repeated.
async fn each_until_clear<I, T, F>(items: Vec<I>, mut call: impl FnMut(Vec<I>) -> F) -> Vec<Answer<T>>
where
    I: Clone,
    F: Future<Output = Vec<Result<T, QueueError>>>,
{
    let mut answers: Vec<Option<Answer<T>>> = items.iter().map(|_| None).collect();
    for n in 0..TRIES {
        let open: Vec<usize> = (0..items.len()).filter(|at| answers[*at].is_none()).collect();
        if open.is_empty() {
            break;
        }
        let tried = call(open.iter().map(|at| items[*at].clone()).collect()).await;
        assert_eq!(tried.len(), open.len(), "each item is answered");
        for (at, answer) in open.into_iter().zip(tried) {
            if !matches!(answer, Err(QueueError::Unavailable(_))) {
                answers[at] = Some(Answer { answer, repeated: n > 0 });
            }
        }
    }
    answers.into_iter().map(|answer| answer.expect("a clear answer")).collect()
}

impl Persistent {
    pub(crate) fn new(queue: Arc<dyn TaskQueue>) -> Self {
        Self { queue, stored: Mutex::default() }
    }

    /// A repeat finds a task that was not there before: the first try has put it there.
    fn entered(&self, id: TaskId, found: Enqueued, repeated: bool) -> Enqueued {
        match found {
            Enqueued::Duplicate(_) => found,
            Enqueued::New | Enqueued::Known => {
                let first = self.stored.lock().insert(id);
                if repeated && first { Enqueued::New } else { found }
            }
        }
    }

    async fn stands(&self, id: TaskId) -> Option<TaskState> {
        self.get(id).await.unwrap().map(|record| record.state)
    }

    /// A repeat finds the lease gone: it was given back, unless the task is somebody else's now.
    async fn given_back(&self, lease: &Lease, given: Answer<Released>) -> Result<Released, QueueError> {
        if !given.repeated || given.answer != Err(QueueError::LeaseLost) {
            return given.answer;
        }
        match self.get(lease.task).await? {
            Some(record) if record.state == TaskState::Queued => Ok(Released::Waits),
            Some(record) if record.code == Some(ErrorCode::Interrupted) => Ok(Released::Failed),
            _ => given.answer,
        }
    }

    /// Ended tasks that match.
    async fn ended(&self, filter: &TaskFilter) -> u64 {
        let filter = TaskFilter { limit: 100_000, ..filter.clone() };
        let page = self.list(&filter).await.unwrap();
        page.tasks.iter().filter(|record| record.state.is_ending()).count() as u64
    }
}

#[async_trait]
impl TaskQueue for Persistent {
    async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        let Answer { answer, repeated } = until_clear(|_| self.queue.enqueue(task.clone())).await;
        answer.map(|found| self.entered(task.spec.id, found, repeated))
    }

    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Vec<Result<Enqueued, QueueError>> {
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.spec.id).collect();
        let answers = each_until_clear(tasks, |tasks| self.queue.enqueue_many(tasks)).await;
        let entered =
            |(id, it): (TaskId, Answer<Enqueued>)| it.answer.map(|found| self.entered(id, found, it.repeated));
        ids.into_iter().zip(answers).map(entered).collect()
    }

    async fn enqueue_and_claim(
        &self,
        task: NewTask,
        request: ClaimRequest,
    ) -> Result<(Enqueued, Option<Claim>), QueueError> {
        let enqueue = |repeat| self.queue.enqueue_and_claim(task.clone(), again(&request, repeat));
        let Answer { answer, repeated } = until_clear(enqueue).await;
        answer.map(|(found, claim)| (self.entered(task.spec.id, found, repeated), claim))
    }

    async fn claim(&self, lane: &LaneKey, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        until_clear(|repeat| self.queue.claim(lane, again(&request, repeat))).await.answer
    }

    async fn claim_task(&self, id: TaskId, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        until_clear(|repeat| self.queue.claim_task(id, again(&request, repeat))).await.answer
    }

    async fn renew(&self, leases: &[Lease], duration: Duration) -> Vec<Result<(), QueueError>> {
        let renew = |leases: Vec<Lease>| async move { self.queue.renew(&leases, duration).await };
        each_until_clear(leases.to_vec(), renew).await.into_iter().map(|renewed| renewed.answer).collect()
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        until_clear(|_| self.queue.settle(lease, settlement.clone())).await.answer
    }

    async fn settle_many(&self, settlements: Vec<(Lease, Settlement)>) -> Vec<Result<Settled, QueueError>> {
        let settled = each_until_clear(settlements, |settlements| self.queue.settle_many(settlements)).await;
        settled.into_iter().map(|settled| settled.answer).collect()
    }

    /// Both parts are repeated until both are clear; what was clear first is kept.
    async fn settle_and_claim(
        &self,
        lease: &Lease,
        settlement: Settlement,
        request: ClaimRequest,
    ) -> (Result<Settled, QueueError>, Result<Option<Claim>, QueueError>) {
        let (mut settled, mut claimed) = (None, None);
        for n in 0..TRIES {
            let answer = self.queue.settle_and_claim(lease, settlement.clone(), again(&request, n > 0)).await;
            let unclear = |error: &QueueError| matches!(error, QueueError::Unavailable(_));
            settled = settled.or(Some(answer.0).filter(|it| !it.as_ref().is_err_and(unclear)));
            claimed = claimed.or(Some(answer.1).filter(|it| !it.as_ref().is_err_and(unclear)));
            if settled.is_some() && claimed.is_some() {
                break;
            }
        }
        (settled.expect("a clear answer"), claimed.expect("a clear answer"))
    }

    async fn release(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        let given = until_clear(|_| self.queue.release(lease, interrupted)).await;
        self.given_back(lease, given).await
    }

    async fn release_many(&self, leases: Vec<Lease>, interrupted: bool) -> Vec<Result<Released, QueueError>> {
        let given = each_until_clear(leases.clone(), |leases| self.queue.release_many(leases, interrupted)).await;
        let mut answers = Vec::new();
        for (lease, given) in leases.iter().zip(given) {
            answers.push(self.given_back(lease, given).await);
        }
        answers
    }

    async fn cancel(&self, id: TaskId, ending: Settlement) -> Result<Cancelled, QueueError> {
        let waited = self.stands(id).await.is_some_and(TaskState::is_waiting);
        let cancelled = until_clear(|_| self.queue.cancel(id, ending.clone())).await;
        cancelled.read(|found| if waited && found == Cancelled::Ended { Cancelled::Done } else { found })
    }

    async fn promote(&self, id: TaskId) -> Result<bool, QueueError> {
        let delayed = self.stands(id).await == Some(TaskState::Delayed);
        until_clear(|_| self.queue.promote(id)).await.read(|promoted| promoted || delayed)
    }

    async fn requeue(&self, id: TaskId, expires_at: Timestamp) -> Result<Requeued, QueueError> {
        let had_ended = self.stands(id).await.is_some_and(TaskState::is_ending);
        let requeued = until_clear(|_| self.queue.requeue(id, expires_at)).await;
        requeued.read(|found| if had_ended && found == Requeued::NotEnded { Requeued::Done } else { found })
    }

    async fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> Result<bool, QueueError> {
        until_clear(|_| self.queue.reprioritize(id, priority)).await.answer
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, QueueError> {
        until_clear(|_| self.queue.get(id)).await.answer
    }

    async fn position(&self, id: TaskId) -> Result<Option<u64>, QueueError> {
        until_clear(|_| self.queue.position(id)).await.answer
    }

    async fn list(&self, filter: &TaskFilter) -> Result<TaskPage, QueueError> {
        until_clear(|_| self.queue.list(filter)).await.answer
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>, QueueError> {
        until_clear(|_| self.queue.counts()).await.answer
    }

    async fn lane_counts(&self, lane: &LaneKey) -> Result<LaneCounts, QueueError> {
        until_clear(|_| self.queue.lane_counts(lane)).await.answer
    }

    async fn oldest_queued(&self, lane: &LaneKey) -> Result<Option<Timestamp>, QueueError> {
        until_clear(|_| self.queue.oldest_queued(lane)).await.answer
    }

    async fn set_paused(&self, lane: &LaneKey, paused: bool) -> Result<(), QueueError> {
        until_clear(|_| self.queue.set_paused(lane, paused)).await.answer
    }

    /// A repeat counts what it finds: what has left is the difference.
    async fn purge(&self, filter: &TaskFilter) -> Result<u64, QueueError> {
        let before = self.ended(filter).await;
        let purged = until_clear(|_| self.queue.purge(filter)).await;
        let after = self.ended(filter).await;
        purged.read(|_| before - after)
    }

    async fn forget(&self, id: TaskId) -> Result<bool, QueueError> {
        let had_ended = self.get(id).await?.is_some_and(|record| record.state.is_ending());
        let forgotten = until_clear(|_| self.queue.forget(id)).await;
        forgotten.read(|_| had_ended)
    }

    async fn owed_notices(&self, after: Option<OwedNotice>, limit: usize) -> Result<Vec<OwedNotice>, QueueError> {
        until_clear(|_| self.queue.owed_notices(after, limit)).await.answer
    }

    async fn notice_done(&self, notice: OwedNotice) -> Result<(), QueueError> {
        until_clear(|_| self.queue.notice_done(notice)).await.answer
    }

    async fn ping(&self) -> Result<(), QueueError> {
        until_clear(|_| self.queue.ping()).await.answer
    }

    fn events(&self) -> broadcast::Receiver<QueueEvent> {
        self.queue.events()
    }

    async fn run(&self, cancel: CancellationToken) {
        self.queue.run(cancel).await;
    }
}

fn again(request: &ClaimRequest, repeat: bool) -> ClaimRequest {
    ClaimRequest { repeat: request.repeat || repeat, ..request.clone() }
}
