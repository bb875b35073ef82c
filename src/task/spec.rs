//! The part of a task that does not change while it lives.

use std::sync::Arc;

use bytes::Bytes;

use super::{Idempotency, LaneKey, Mode, TaskId, TaskOptions, Timestamp, WebhookTarget, WorkerKey};

/// What a task is: fixed at its submission, or when it is run again on request.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    /// The id.
    pub id: TaskId,
    /// The lane it waits in.
    pub lane: LaneKey,
    /// The function to call.
    pub function: Arc<str>,
    /// How its result comes back.
    pub mode: Mode,
    /// What its client asked of the balancer.
    pub options: TaskOptions,
    /// The body for the worker: the client's own bytes (protocol, section 1).
    pub body: Bytes,
    /// The key for the worker.
    pub worker_key: WorkerKey,
    /// Where the worker posts the result, in mode `webhook`.
    pub webhook: Option<WebhookTarget>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When a waiting task is of no use any more: its client's deadline if it is [bound](Self::is_bound_to_client) to one, else the
    /// end of `QUEUE_TTL`.
    pub expires_at: Timestamp,
    /// Whether its client can come back for the result (`Idempotency-Key`): then a lost connection does not cancel it.
    pub resumable: bool,
    /// What tells a repeat of this submission from another one, if its client named it.
    pub idempotency: Option<Idempotency>,
}

impl TaskSpec {
    /// Whether the task is of use only while the client that submitted it waits.
    pub fn is_bound_to_client(&self) -> bool {
        self.mode.client_waits() && !self.resumable
    }
}

impl TaskSpec {
    /// The same task run again after its end, on request: nobody's connection waits for it any more.
    #[must_use]
    pub fn again(&self, expires_at: Timestamp) -> Self {
        let mode = if self.mode == Mode::Sync { Mode::Async } else { self.mode };
        Self { mode, expires_at, ..self.clone() }
    }
}
