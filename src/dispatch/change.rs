//! What may be asked for a task or a lane, cancelling aside.

use std::sync::Arc;

use super::repeat::{BRIEF, until_clear};
use super::submit::refusal;
use super::{Accepted, Dispatcher, Refusal, Submission, TaskEvent};
use crate::queue::Requeued;
use crate::task::{ErrorCode, Mode, Priority, Replacements, TaskId, TaskRecord, TaskState};

impl Dispatcher {
    /// Runs a task that has ended again, as the same task; nobody's connection waits for it.
    pub async fn retry(self: &Arc<Self>, id: TaskId) -> Result<(), Refusal> {
        if self.is_draining() {
            return Err(Refusal::shutting_down());
        }
        let record = self.record(id).await?;
        self.run_again(&record).await?;
        tracing::info!(task = %id, lane = %record.spec.lane, "runs again on request");
        Ok(())
    }

    /// The same for a task that has been looked at.
    pub(super) async fn run_again(self: &Arc<Self>, record: &TaskRecord) -> Result<(), Refusal> {
        may_run_again(record)?;
        let (spec, id) = (&record.spec, record.spec.id);
        let expires_at = self.clock.now().after(self.settings.tasks.queue_ttl);
        let news = self.events.prepare(|| TaskEvent::requeued(record, self.clock.now()));
        let requeued = until_clear(BRIEF, |_| self.queue.requeue(id, expires_at)).await;
        match requeued.answer.map_err(|error| refusal(&error).of(id))? {
            // It had ended: an earlier try has done it.
            Requeued::NotEnded if !requeued.repeated => Err(not_ended(id)),
            Requeued::Done | Requeued::NotEnded => {
                self.notices.recall(id);
                news.tell();
                self.lane(&spec.lane).wake();
                Ok(())
            }
            Requeued::Unknown => Err(unknown(id)),
        }
    }

    /// Takes in a new task like that one, with its worker key; says which.
    pub async fn duplicate(self: &Arc<Self>, id: TaskId, own: &Replacements) -> Result<TaskId, Refusal> {
        let record = self.record(id).await?;
        let worker_key = record.spec.worker_key.clone();
        if !worker_key.is_readable() {
            return Err(Refusal::credential_unreadable().of(id));
        }
        let request = own.request(&record.spec).map_err(|bad| Refusal::new(bad.code, bad.message))?;
        match self.submit(Submission { request, worker_key, idempotency: None }).await? {
            Accepted::Queued(new) | Accepted::Replied(new, _) => Ok(new),
        }
    }

    /// Makes a delayed task claimable now.
    pub async fn promote(self: &Arc<Self>, id: TaskId) -> Result<(), Refusal> {
        let record = self.record(id).await?;
        let not_delayed = || Refusal::new(ErrorCode::TaskNotDelayed, "The task is not delayed").of(id);
        if record.state != TaskState::Delayed {
            return Err(not_delayed());
        }
        let news = self.events.prepare(|| TaskEvent::promoted(&record, self.clock.now()));
        let promoted = until_clear(BRIEF, |_| self.queue.promote(id)).await;
        // It was delayed: if it is not any more, an earlier try has done it.
        if !promoted.answer.map_err(|error| refusal(&error).of(id))? && !promoted.repeated {
            return Err(not_delayed());
        }
        news.tell();
        self.lane(&record.spec.lane).wake();
        Ok(())
    }

    /// Changes the priority of a task that waits.
    pub async fn reprioritize(self: &Arc<Self>, id: TaskId, priority: Option<Priority>) -> Result<(), Refusal> {
        let record = self.record(id).await?;
        let changed = until_clear(BRIEF, |_| self.queue.reprioritize(id, priority)).await;
        if !changed.answer.map_err(|error| refusal(&error).of(id))? {
            return Err(Refusal::new(ErrorCode::TaskNotWaiting, "The task does not wait").of(id));
        }
        let lane = self.lane(&record.spec.lane);
        lane.aside.reprioritized(id, priority);
        lane.wake();
        Ok(())
    }

    /// Forgets a task; one that waits is cancelled first. One that runs is left alone.
    pub async fn remove(self: &Arc<Self>, id: TaskId) -> Result<(), Refusal> {
        if self.record(id).await?.state.is_waiting() {
            self.cancel(id).await.map_err(|error| refusal(&error).of(id))?;
        }
        let forgotten = until_clear(BRIEF, |_| self.queue.forget(id)).await;
        if !forgotten.answer.map_err(|error| refusal(&error).of(id))? {
            match self.record(id).await {
                // It has begun to run.
                Ok(_) => return Err(not_ended(id)),
                // An earlier try has done it.
                Err(gone) if gone.code == ErrorCode::TaskNotFound && forgotten.repeated => {}
                Err(refusal) => return Err(refusal),
            }
        }
        tracing::info!(task = %id, "forgotten on request");
        Ok(())
    }

    async fn record(&self, id: TaskId) -> Result<TaskRecord, Refusal> {
        self.queue.get(id).await.map_err(|error| refusal(&error).of(id))?.ok_or_else(|| unknown(id))
    }
}

/// Whether a task may be run again on request.
pub(super) fn may_run_again(record: &TaskRecord) -> Result<(), Refusal> {
    let id = record.spec.id;
    if !record.state.is_ending() {
        return Err(not_ended(id));
    }
    if record.spec.mode == Mode::Stream {
        return Err(Refusal::new(ErrorCode::StreamFinished, "A stream cannot be run again").of(id));
    }
    if !record.spec.worker_key.is_readable() {
        return Err(Refusal::credential_unreadable().of(id));
    }
    Ok(())
}

fn not_ended(id: TaskId) -> Refusal {
    Refusal::new(ErrorCode::TaskNotEnded, "The task has not ended").of(id)
}

fn unknown(id: TaskId) -> Refusal {
    Refusal::new(ErrorCode::TaskNotFound, format!("There is no task {id}"))
}
