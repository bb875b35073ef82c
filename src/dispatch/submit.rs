//! A submission becomes a task.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::adopt::Adopted;
use super::client::Client;
use super::lane::Lane;
use super::{Dispatcher, Refusal, Reply};
use crate::queue::{Claim, Enqueued, NewTask, QueueError};
use crate::task::{ErrorCode, Mode, TaskId, TaskRequest, TaskSpec, Timestamp, WorkerKey};
use crate::workers::Permit;

/// How long the queue keeps a task beyond its client's deadline: the dispatcher that holds the client is to end it first.
const CLIENT_GRACE: Duration = Duration::from_secs(5);

/// A task to run for a client.
#[derive(Debug)]
pub struct Submission {
    /// What to run.
    pub request: TaskRequest,
    /// The client's key for the worker.
    pub worker_key: WorkerKey,
    /// Whether the client can come back for the result: then its leaving does not cancel the task.
    pub resumable: bool,
}

/// What became of a submission.
#[derive(Debug)]
pub enum Accepted {
    /// The task is in the store; its result comes another way (async, webhook).
    Queued(TaskId),
    /// The client's reply (sync, stream).
    Replied(TaskId, Reply),
}

impl Dispatcher {
    /// Takes a task in. For sync and stream this returns with the reply; dropping the future means that the client has left.
    pub async fn submit(self: &Arc<Self>, submission: Submission) -> Result<Accepted, Refusal> {
        if self.is_draining() {
            return Err(Refusal::shutting_down());
        }
        let lane = self.lane(&submission.request.lane);
        let mode = submission.request.mode;
        let function = &submission.request.function;
        if mode != Mode::Webhook && lane.slots.offers(function) == Some(false) {
            let message = format!("The workers of {} offer no function named {function:?}", lane.key());
            return Err(Refusal::new(ErrorCode::UnknownFunction, message));
        }

        let submitted = Instant::now();
        let task = self.task(submission);
        let id = task.spec.id;
        if !mode.client_waits() {
            let run = self.enqueue(&lane, task).await?;
            if let Some((claim, permit)) = run {
                self.tasks.spawn(Arc::clone(self).run(lane, claim, permit));
            }
            return Ok(Accepted::Queued(id));
        }

        let spec = Arc::clone(&task.spec);
        // Registered first: the task may end before its enqueue has answered.
        let client = Client::new(self, &lane, &spec, submitted);
        let run = self.enqueue(&lane, task).await?;
        let run = run.map(|(claim, permit)| Adopted::new(Arc::clone(self).run(lane, claim, permit), &self.tasks));
        Ok(Accepted::Replied(id, client.reply(run).await))
    }

    /// Puts a task into its lane; with a permit in hand, the lane's head is claimed in the same step.
    async fn enqueue(&self, lane: &Arc<Lane>, task: NewTask) -> Result<Option<(Claim, Permit)>, Refusal> {
        let (id, mode) = (task.spec.id, task.spec.mode);
        let entered = self.enter(lane, task).await.map_err(|error| match error {
            // There is no such task.
            QueueError::Full { .. } => refusal(&error),
            _ => refusal(&error).of(id),
        })?;
        self.metrics.submitted(mode);
        Ok(entered)
    }

    async fn enter(&self, lane: &Arc<Lane>, task: NewTask) -> Result<Option<(Claim, Permit)>, QueueError> {
        let permit = if task.run_at.is_none() && !lane.aside.is_full() { lane.slots.try_permit() } else { None };
        let Some(permit) = permit else {
            let enqueued = self.queue.enqueue(task).await?;
            debug_assert_eq!(enqueued, Enqueued::New, "ids are fresh");
            // A slot may have come free meanwhile, and whoever freed it found an empty lane.
            if let Some(permit) = lane.slots.try_permit() {
                drop(permit);
                lane.wake();
            }
            return Ok(None);
        };
        let mut request = self.claim_request();
        request.skip = lane.aside.ids();
        let id = task.spec.id;
        let (_, claim) = self.queue.enqueue_and_claim(task, request).await?;
        if claim.as_ref().is_some_and(|claim| claim.spec.id != id) {
            // An older task was taken: there may be room for this one too.
            lane.wake();
        }
        Ok(claim.map(|claim| (claim, permit)))
    }

    fn task(&self, submission: Submission) -> NewTask {
        let Submission { request, worker_key, resumable } = submission;
        let now = self.clock.now();
        let run_at = request.options.first_run(now);
        let limits = &self.settings.tasks;
        let expires_at = if request.mode.client_waits() {
            now.after(request.options.timeout.unwrap_or(limits.timeout)).after(CLIENT_GRACE)
        } else {
            run_at.unwrap_or(now).after(limits.queue_ttl)
        };
        let spec = TaskSpec {
            id: TaskId::new(now, self.chance.wide_number()),
            lane: request.lane,
            function: request.function,
            mode: request.mode,
            options: request.options,
            body: request.body,
            worker_key,
            webhook: request.webhook,
            created_at: now,
            expires_at,
            resumable,
        };
        NewTask { spec: Arc::new(spec), priority: request.priority, run_at }
    }

    /// The moment a waiting client gives up.
    pub(super) fn client_deadline(&self, spec: &TaskSpec) -> Timestamp {
        spec.created_at.after(spec.options.timeout.unwrap_or(self.settings.tasks.timeout))
    }
}

/// A queue's error, as the client gets it.
pub(super) fn refusal(error: &QueueError) -> Refusal {
    match error {
        QueueError::Full { .. } => {
            Refusal::new(ErrorCode::QueueFull, "The queue is full").retry_after(Duration::from_secs(1))
        }
        QueueError::Unavailable(_) => {
            Refusal::new(ErrorCode::QueueUnavailable, "The queue does not answer").retry_after(Duration::from_secs(1))
        }
        QueueError::LeaseLost => Refusal::new(ErrorCode::Internal, "The task was taken over"),
    }
}
