//! A submission becomes a task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::adopt::Adopted;
use super::client::Client;
use super::lane::Lane;
use super::patience::Patience;
use super::repeat::{BRIEF, again, until_clear};
use super::{Dispatcher, Refusal, Reply, TaskEvent};
use crate::queue::{Claim, Enqueued, NewTask, QueueError};
use crate::task::{ErrorCode, Idempotency, Mode, TaskId, TaskRecord, TaskRequest, TaskSpec, Timestamp, WorkerKey};
use crate::workers::Permit;

/// How long the queue keeps a task beyond its client's deadline: the dispatcher that holds the client is to end it first.
const CLIENT_GRACE: Duration = Duration::from_secs(5);
/// How often a key is tried again whose task was being forgotten.
pub(super) const KEY_TRIES: u32 = 100;
pub(super) const KEY_PAUSE: Duration = Duration::from_millis(5);

/// A task to run for a client.
#[derive(Debug)]
pub struct Submission {
    /// What to run.
    pub request: TaskRequest,
    /// The client's key for the worker.
    pub worker_key: WorkerKey,
    /// What tells a repeat of it from another one, if its client named it. Such a client can come back for the result: its leaving
    /// does not cancel a sync task.
    pub idempotency: Option<Idempotency>,
}

/// What a submission is.
enum Entry {
    /// A task that is in its lane now; perhaps with a claim to run.
    New(Option<(Claim, Permit)>),
    /// A repeat of that task.
    Repeat(Box<TaskRecord>),
}

/// Where an enqueue has got to.
enum Entered {
    /// Into its lane; perhaps with a claim to run.
    Lane(Option<(Claim, Permit)>),
    /// Nowhere: that task holds its idempotency key.
    Duplicate(TaskId),
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
    pub async fn submit(self: &Arc<Self>, mut submission: Submission) -> Result<Accepted, Refusal> {
        if self.is_draining() {
            return Err(Refusal::shutting_down());
        }
        let lane = self.lane(&submission.request.lane);
        let mode = submission.request.mode;
        is_offered(&lane, &submission.request)?;

        let submitted = Instant::now();
        self.admit(&mut submission).await?;
        let task = self.task(submission);
        let (id, timeout) = (task.spec.id, task.spec.options.timeout);
        // Registered first: the task may end before its enqueue has answered.
        let client = mode.client_waits().then(|| Client::new(self, &lane, &task.spec, submitted));
        let run = match self.enter(&lane, task).await? {
            Entry::New(run) => run,
            Entry::Repeat(record) => {
                drop(client);
                let patience = Patience::new(self, &lane, submitted, timeout);
                return Box::pin(self.join(mode, *record, patience)).await;
            }
        };
        self.metrics.submitted(mode);
        let Some(client) = client else {
            if let Some((claim, permit)) = run {
                self.tasks.spawn(Arc::clone(self).run(lane, claim, permit));
            }
            return Ok(Accepted::Queued(id));
        };
        let own = match run {
            Some((claim, permit)) if claim.spec.id == id => {
                Some(Adopted::new(Arc::clone(self).run(lane, claim, permit), &self.tasks))
            }
            Some((claim, permit)) => {
                // An older task went first: this client waits in the lane, and keeps to its own deadline.
                self.tasks.spawn(Arc::clone(self).run(lane, claim, permit));
                None
            }
            None => None,
        };
        Ok(Accepted::Replied(id, client.reply(own).await))
    }

    /// Puts a task into its lane, or finds the one that it repeats.
    async fn enter(self: &Arc<Self>, lane: &Arc<Lane>, task: NewTask) -> Result<Entry, Refusal> {
        let id = task.spec.id;
        for _ in 0..KEY_TRIES {
            match self.enqueue_to_the_end(lane, task.clone()).await.map_err(|error| not_enqueued(&error, id))? {
                Entered::Lane(run) => return Ok(Entry::New(run)),
                Entered::Duplicate(holder) => match Box::pin(self.same_task(&task.spec, holder)).await? {
                    Some(record) => return Ok(Entry::Repeat(Box::new(record))),
                    None => tokio::time::sleep(KEY_PAUSE).await,
                },
            }
        }
        Err(key_of_nobody())
    }

    /// Enqueues, even if the client leaves meanwhile: what was claimed by then is run, and a task of use to nobody is ended.
    async fn enqueue_to_the_end(self: &Arc<Self>, lane: &Arc<Lane>, task: NewTask) -> Result<Entered, QueueError> {
        let (answer, answered) = oneshot::channel();
        let (dispatcher, lane) = (Arc::clone(self), Arc::clone(lane));
        let work = async move {
            let spec = Arc::clone(&task.spec);
            let entered = dispatcher.enqueue(&lane, task).await;
            let Err(Ok(Entered::Lane(run))) = answer.send(entered) else { return };
            if let Some((claim, permit)) = run {
                dispatcher.tasks.spawn(Arc::clone(&dispatcher).run(lane, claim, permit));
            }
            if spec.is_bound_to_client() {
                dispatcher.client_left(&spec).await;
            }
        };
        let mut work = Adopted::new(work, &self.tasks);
        // Goes first when the client leaves, so that the work knows.
        let mut answered = answered;
        (&mut work).await;
        answered.try_recv().unwrap_or_else(|_| Err(QueueError::Unavailable("an enqueue was cut short".to_owned())))
    }

    /// Puts a task into its lane; with a permit in hand, the lane's head is claimed in the same step.
    async fn enqueue(self: &Arc<Self>, lane: &Arc<Lane>, task: NewTask) -> Result<Entered, QueueError> {
        let (spec, run_at) = (Arc::clone(&task.spec), task.run_at);
        let news = self.events.prepare(|| TaskEvent::submitted(&spec, run_at));
        let permit = if task.run_at.is_none() && !lane.aside.is_full() { lane.slots.try_permit() } else { None };
        let Some(permit) = permit else {
            let enqueued = until_clear(BRIEF, |_| self.queue.enqueue(task.clone())).await.answer;
            if let Err(QueueError::Unavailable(_)) = enqueued {
                // It may be there all the same.
                lane.wake();
            }
            if let Enqueued::Duplicate(holder) = enqueued? {
                return Ok(Entered::Duplicate(holder));
            }
            news.tell();
            // A slot may have come free meanwhile, and whoever freed it found an empty lane.
            if let Some(permit) = lane.slots.try_permit() {
                drop(permit);
                lane.wake();
            }
            return Ok(Entered::Lane(None));
        };
        let mut request = self.claim_request();
        request.skip = lane.aside.ids();
        let id = task.spec.id;
        let enqueue = |repeat| self.queue.enqueue_and_claim(task.clone(), again(&request, repeat));
        let entered = until_clear(BRIEF, enqueue).await.answer;
        if let Err(QueueError::Unavailable(_)) = entered {
            self.tasks.spawn(Arc::clone(self).claim_after_all(Arc::clone(lane), request, permit));
            return Err(QueueError::Unavailable("an enqueue stays unclear".to_owned()));
        }
        let (enqueued, claim) = entered?;
        if let Enqueued::Duplicate(holder) = enqueued {
            return Ok(Entered::Duplicate(holder));
        }
        news.tell();
        if claim.as_ref().is_some_and(|claim| claim.spec.id != id) {
            // An older task was taken: there may be room for this one too.
            lane.wake();
        }
        Ok(Entered::Lane(claim.map(|claim| (claim, permit))))
    }

    pub(super) fn task(&self, submission: Submission) -> NewTask {
        let Submission { request, worker_key, idempotency } = submission;
        let resumable = request.mode == Mode::Sync && idempotency.is_some();
        let now = self.clock.now();
        let run_at = request.options.first_run(now);
        let limits = &self.settings.tasks;
        let expires_at = if request.mode.client_waits() && !resumable {
            now.after(self.time_limit(&request.options)).after(CLIENT_GRACE)
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
            idempotency,
        };
        NewTask { spec: Arc::new(spec), priority: request.priority, run_at }
    }

    /// The moment a waiting client gives up.
    pub(super) fn client_deadline(&self, spec: &TaskSpec) -> Timestamp {
        spec.created_at.after(self.time_limit(&spec.options))
    }
}

/// Whether the workers of the lane can be asked for that function. A webhook task is taken all the same.
pub(super) fn is_offered(lane: &Lane, request: &TaskRequest) -> Result<(), Refusal> {
    let function = &request.function;
    if request.mode == Mode::Webhook || lane.slots.offers(function) != Some(false) {
        return Ok(());
    }
    let message = format!("The workers of {} offer no function named {function:?}", lane.key());
    Err(Refusal::new(ErrorCode::UnknownFunction, message))
}

/// A task that could not be enqueued. If the outcome is unclear there may be one of that id.
pub(super) fn not_enqueued(error: &QueueError, id: TaskId) -> Refusal {
    match error {
        QueueError::Unavailable(_) => refusal(error).of(id),
        QueueError::Full { .. } | QueueError::StorageFull | QueueError::Away(_) | QueueError::LeaseLost => {
            refusal(error)
        }
    }
}

/// The store names a task for an idempotency key again and again, but does not have it.
pub(super) fn key_of_nobody() -> Refusal {
    tracing::error!("an idempotency key is held by a task that is not there");
    refusal(&QueueError::Unavailable("key of nobody".to_owned()))
}

/// A queue's error, as the client gets it.
pub(super) fn refusal(error: &QueueError) -> Refusal {
    match error {
        QueueError::Full { .. } => {
            Refusal::new(ErrorCode::QueueFull, "The queue is full").retry_after(Duration::from_secs(1))
        }
        QueueError::StorageFull => Refusal::new(ErrorCode::StorageFull, "The queue's disk is full"),
        QueueError::Away(_) | QueueError::Unavailable(_) => {
            Refusal::new(ErrorCode::QueueUnavailable, "The queue does not answer").retry_after(Duration::from_secs(1))
        }
        QueueError::LeaseLost => Refusal::new(ErrorCode::Internal, "The task was taken over"),
    }
}
