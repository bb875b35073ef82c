//! What may be asked for a task or a lane, cancelling aside.

use std::sync::Arc;

use super::repeat::{BRIEF, until_clear};
use super::submit::refusal;
use super::{Dispatcher, Refusal};
use crate::queue::Requeued;
use crate::task::{ErrorCode, Mode, Priority, TaskId, TaskRecord, TaskState};

impl Dispatcher {
    /// Runs a task that has ended again, as the same task; nobody's connection waits for it.
    pub async fn retry(self: &Arc<Self>, id: TaskId) -> Result<(), Refusal> {
        if self.is_draining() {
            return Err(Refusal::shutting_down());
        }
        let record = self.record(id).await?;
        let not_ended = || Refusal::new(ErrorCode::TaskNotEnded, "The task has not ended").of(id);
        if !record.state.is_ending() {
            return Err(not_ended());
        }
        if record.spec.mode == Mode::Stream {
            return Err(Refusal::new(ErrorCode::StreamFinished, "A stream cannot be run again").of(id));
        }
        let expires_at = self.clock.now().after(self.settings.tasks.queue_ttl);
        let requeued = until_clear(BRIEF, |_| self.queue.requeue(id, expires_at)).await;
        match requeued.answer.map_err(|error| refusal(&error).of(id))? {
            // It had ended: an earlier try has done it.
            Requeued::NotEnded if !requeued.repeated => Err(not_ended()),
            Requeued::Done | Requeued::NotEnded => {
                tracing::info!(task = %id, lane = %record.spec.lane, "runs again on request");
                self.lane(&record.spec.lane).wake();
                Ok(())
            }
            Requeued::Unknown => Err(unknown(id)),
        }
    }

    /// Makes a delayed task claimable now.
    pub async fn promote(self: &Arc<Self>, id: TaskId) -> Result<(), Refusal> {
        let record = self.record(id).await?;
        let promoted = until_clear(BRIEF, |_| self.queue.promote(id)).await;
        let by_earlier_try = promoted.repeated && record.state == TaskState::Delayed;
        if !promoted.answer.map_err(|error| refusal(&error).of(id))? && !by_earlier_try {
            return Err(Refusal::new(ErrorCode::TaskNotDelayed, "The task is not delayed").of(id));
        }
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

    async fn record(&self, id: TaskId) -> Result<TaskRecord, Refusal> {
        self.queue.get(id).await.map_err(|error| refusal(&error).of(id))?.ok_or_else(|| unknown(id))
    }
}

fn unknown(id: TaskId) -> Refusal {
    Refusal::new(ErrorCode::TaskNotFound, format!("There is no task {id}"))
}
