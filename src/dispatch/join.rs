//! A submission whose idempotency key another task holds: it gets that task's reply.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use super::patience::{Look, Patience};
use super::submit::refusal;
use super::{Accepted, Dispatcher, Refusal, Reply, ReplyBody, Timing};
use crate::task::{ErrorCode, Mode, TaskId, TaskRecord, TaskSpec};

impl Dispatcher {
    /// The task that holds the key of `spec`, if the two were sent alike. `None` if it has just been forgotten: the key is free.
    pub(super) async fn same_task(&self, spec: &TaskSpec, holder: TaskId) -> Result<Option<TaskRecord>, Refusal> {
        let record = self.queue.get(holder).await.map_err(|error| refusal(&error).of(holder))?;
        let Some(record) = record else { return Ok(None) };
        if record.spec.idempotency == spec.idempotency {
            return Ok(Some(record));
        }
        let message = if record.spec.worker_key.is_readable() {
            "A task with this idempotency key has another body or another x-wr-auth"
        } else {
            "A task with this idempotency key has an x-wr-auth that cannot be opened, since LB_AUTH_KEY was changed"
        };
        Err(Refusal::new(ErrorCode::IdempotencyMismatch, message).of(holder))
    }

    /// Answers a repeat of a submission as its mode wants it.
    pub(super) async fn join(&self, mode: Mode, record: TaskRecord, patience: Patience) -> Result<Accepted, Refusal> {
        let id = record.spec.id;
        if record.spec.mode == Mode::Stream {
            let refusal = if record.state.is_ending() {
                Refusal::new(ErrorCode::StreamFinished, "The stream has ended; it cannot be had again")
            } else {
                Refusal::new(ErrorCode::StreamInProgress, "The stream is under way, for whoever asked for it first")
            };
            return Err(refusal.of(id));
        }
        tracing::debug!(task = %id, "repeated");
        if mode.client_waits() { self.wait_beside(record, patience).await } else { Ok(Accepted::Queued(id)) }
    }

    /// Waits for the end of a task that another client has submitted. The task does not notice.
    async fn wait_beside(&self, mut record: TaskRecord, patience: Patience) -> Result<Accepted, Refusal> {
        let id = record.spec.id;
        let alarm = tokio::time::sleep_until(patience.first_look());
        tokio::pin!(alarm);
        loop {
            // Subscribed first, then looked: an ending in between is not missed.
            let watching = self.watch(id);
            match self.queue.get(id).await {
                Ok(Some(found)) => record = found,
                // It has ended and was forgotten at once.
                Ok(None) => return Err(Refusal::new(ErrorCode::TaskNotFound, "The task is not kept any more").of(id)),
                Err(error) => return Err(refusal(&error).of(id)),
            }
            if record.state.is_ending() {
                return Ok(Accepted::Replied(id, stored_reply(&record)));
            }
            tokio::select! {
                biased;
                () = watching.ended() => {}
                () = self.draining.cancelled() => return Err(Refusal::shutting_down().of(id)),
                () = &mut alarm => match patience.look() {
                    Look::Again(then) => alarm.as_mut().reset(then),
                    Look::Over(refusal) if refusal.code == ErrorCode::Timeout || record.state.is_waiting() => {
                        return Err(refusal.of(id));
                    }
                    // No worker is ready, but one has the task already.
                    Look::Over(_) => alarm.as_mut().reset(patience.deadline()),
                },
            }
        }
    }
}

/// The reply to a task that has ended, from what is kept of it.
pub(super) fn stored_reply(record: &TaskRecord) -> Reply {
    let id = record.spec.id;
    match &record.result {
        Some(result) if result.truncated => {
            let message = "The result is larger than RESULT_MAX_BYTES: only its first client got it whole";
            Reply::Refused(Refusal::new(ErrorCode::ResultTooLarge, message).of(id))
        }
        Some(result) => Reply::Answer {
            status: result.status,
            content_type: result.content_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok()),
            body: ReplyBody::Full(Bytes::clone(&result.body)),
            timing: timing(record),
        },
        None => {
            let error = record.error.as_deref().unwrap_or("No answer");
            Reply::Refused(Refusal::new(record.code.unwrap_or(ErrorCode::Internal), error).of(id))
        }
    }
}

/// How long the last attempt took to begin and to be answered.
fn timing(record: &TaskRecord) -> Timing {
    record.attempts.last().map_or_else(Timing::default, |attempt| Timing {
        queue: attempt.started_at.since(record.spec.created_at),
        policy: Duration::ZERO,
        worker: attempt.took().unwrap_or_default(),
    })
}
