//! Looking at tasks, and ending them on request.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::flights::StopReason;
use super::{Dispatcher, Refusal};
use crate::queue::{Cancelled, QueueError, Settlement};
use crate::task::{Attempt, ErrorCode, TaskId, TaskRecord, TaskState};

/// How often a task that is neither here nor there is looked for.
const STOP_TRIES: u32 = 100;
const STOP_PAUSE: Duration = Duration::from_millis(5);

/// What is known of a task, the attempt under way included.
#[derive(Clone, Debug)]
pub struct TaskView {
    /// The task as it is stored.
    pub record: TaskRecord,
    /// The attempt under way, if it runs here.
    pub current: Option<Attempt>,
}

/// What a request to cancel found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It waited, and has ended.
    Done,
    /// It runs, and has been told to stop.
    Stopping,
    /// It had ended before.
    Ended,
    /// No such task.
    Unknown,
}

impl Dispatcher {
    /// What is known of a task.
    pub async fn task_view(&self, id: TaskId) -> Result<Option<TaskView>, QueueError> {
        let Some(record) = self.queue.get(id).await? else { return Ok(None) };
        let current = if record.state == TaskState::Running { self.flights.current_attempt(id) } else { None };
        Ok(Some(TaskView { record, current }))
    }

    /// What is known of a task once it has ended, or after `limit`, whichever comes first.
    pub async fn task_view_at_end(&self, id: TaskId, limit: Duration) -> Result<Option<TaskView>, QueueError> {
        let deadline = Instant::now() + limit;
        // Subscribed first, then looked: an ending in between is not missed.
        let watching = self.watch(id);
        let view = self.task_view(id).await?;
        if view.as_ref().is_none_or(|view| view.record.state.is_ending()) {
            return Ok(view);
        }
        tokio::select! {
            biased;
            () = watching.ended() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = self.draining.cancelled() => {}
        }
        self.task_view(id).await
    }

    /// Ends a task on request: at once if it waits; if it runs here, its request is dropped.
    pub async fn cancel(self: &Arc<Self>, id: TaskId) -> Result<CancelOutcome, QueueError> {
        let refusal = Refusal::new(ErrorCode::Cancelled, "The task was cancelled");
        let error = refusal.message.as_str().into();
        let ending = Settlement::Cancel { attempt: None, error, code: refusal.code };
        Ok(match self.cancel_or_stop(id, ending, StopReason::Cancelled).await? {
            Cancelled::Done => {
                if let Some(record) = self.queue.get(id).await? {
                    self.ended_unrun(&record.spec, TaskState::Cancelled, &refusal);
                }
                CancelOutcome::Done
            }
            Cancelled::Running => CancelOutcome::Stopping,
            Cancelled::Ended => CancelOutcome::Ended,
            Cancelled::Unknown => CancelOutcome::Unknown,
        })
    }

    /// Ends a task that waits, and tells one that runs to stop. A task on its way from the one to the other is looked at again.
    pub(super) async fn cancel_or_stop(
        &self,
        id: TaskId,
        ending: Settlement,
        reason: StopReason,
    ) -> Result<Cancelled, QueueError> {
        for _ in 0..STOP_TRIES {
            match self.queue.cancel(id, ending.clone()).await? {
                Cancelled::Running if !self.flights.stop(id, reason) => tokio::time::sleep(STOP_PAUSE).await,
                found => return Ok(found),
            }
        }
        Ok(Cancelled::Running)
    }
}
