//! Ending tasks on request.

use std::sync::Arc;
use std::time::Duration;

use super::flights::StopReason;
use super::repeat::{BRIEF, until_clear};
use super::{Dispatcher, Refusal, TaskEvent};
use crate::queue::{Cancelled, QueueError, Settlement};
use crate::task::{TaskId, TaskSpec, TaskState};

/// How often a task that is neither here nor there is looked for.
const STOP_TRIES: u32 = 100;
const STOP_PAUSE: Duration = Duration::from_millis(5);

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
    /// Ends a task on request: at once if it waits; if it runs here, its request is dropped.
    pub async fn cancel(self: &Arc<Self>, id: TaskId) -> Result<CancelOutcome, QueueError> {
        let refusal = Refusal::cancelled();
        let Some(record) = until_clear(BRIEF, |_| self.queue.get(id)).await.answer? else {
            return Ok(CancelOutcome::Unknown);
        };
        Ok(match self.cancel_or_stop(&record.spec, refusal.cancellation(None), StopReason::Cancelled).await? {
            Cancelled::Done => {
                self.ended_unrun(&record.spec, TaskState::Cancelled, &refusal);
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
        spec: &TaskSpec,
        ending: Settlement,
        reason: StopReason,
    ) -> Result<Cancelled, QueueError> {
        for n in 0..STOP_TRIES {
            match self.cancel_waiting(spec, &ending, BRIEF).await? {
                // Stopped elsewhere, as it was asked.
                Cancelled::Ended if n > 0 && self.has_ended_so(spec.id, &ending, BRIEF).await? => {
                    return Ok(Cancelled::Running);
                }
                Cancelled::Running if !self.flights.stop(spec.id, reason) => {
                    // Nobody but the balancer that has the client runs a stream: one that has it claimed will find the client gone.
                    if n == 0 && reason != StopReason::ClientGone {
                        until_clear(BRIEF, |_| self.queue.ask_to_stop(spec.id)).await.answer?;
                    }
                    tokio::time::sleep(STOP_PAUSE).await;
                }
                found => return Ok(found),
            }
        }
        Ok(Cancelled::Running)
    }

    /// Ends a task that waits.
    pub(super) async fn cancel_waiting(
        &self,
        spec: &TaskSpec,
        ending: &Settlement,
        tries: u32,
    ) -> Result<Cancelled, QueueError> {
        let news = self.events.prepare(|| TaskEvent::ended_unrun(spec, ending, self.clock.now()));
        let found = self.end_waiting(spec.id, ending, tries).await?;
        if found == Cancelled::Done {
            news.tell();
        }
        Ok(found)
    }

    /// A run was told to stop and ended by itself at that moment, leaving its task to be run again: the task ends instead.
    pub(super) async fn stop_waiting(self: Arc<Self>, spec: Arc<TaskSpec>, reason: StopReason) {
        let refusal = match reason {
            StopReason::Cancelled => Refusal::cancelled(),
            StopReason::ClientGone => Refusal::client_gone(),
            // The task waits, as it should.
            StopReason::LeaseLost | StopReason::Shutdown => return,
        };
        match self.cancel_or_stop(&spec, refusal.cancellation(None), reason).await {
            Ok(Cancelled::Done) => self.ended_unrun(&spec, TaskState::Cancelled, &refusal),
            Ok(_) => {}
            Err(error) => tracing::warn!(task = %spec.id, %error, "cannot cancel"),
        }
    }
}
