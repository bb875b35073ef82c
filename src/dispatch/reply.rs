//! What a client gets.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::mpsc;

use crate::queue::Settlement;
use crate::task::{Attempt, ErrorCode, TaskId};

/// What a waiting client gets.
#[derive(Debug)]
pub enum Reply {
    /// A worker's answer.
    Answer {
        /// Its status.
        status: u16,
        /// Its content type.
        content_type: Option<HeaderValue>,
        /// Its body.
        body: ReplyBody,
        /// How long what took.
        timing: Timing,
    },
    /// No worker's answer.
    Refused(Refusal),
}

/// The body of a reply.
#[derive(Debug)]
pub enum ReplyBody {
    /// All of it.
    Full(Bytes),
    /// Parts as the worker produces them. If the channel closes before [`StreamPart::End`], the worker broke off.
    Stream(mpsc::Receiver<StreamPart>),
}

/// A part of a body that comes bit by bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamPart {
    /// Some bytes.
    Chunk(Bytes),
    /// The end, in good order.
    End,
}

/// How long what took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// From submission to the delivery that was answered.
    pub queue: Duration,
    /// The policy's decision on it.
    pub policy: Duration,
    /// From delivery to the answer; of a stream, to its head.
    pub worker: Duration,
}

/// Why a client gets no worker's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The stable word.
    pub code: ErrorCode,
    /// The sentence for the client.
    pub message: String,
    /// The task, if there is one.
    pub task: Option<TaskId>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// How long what took, for a client that waited.
    pub timing: Option<Timing>,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), task: None, retry_after: None, timing: None }
    }

    /// Names the task.
    #[must_use]
    pub fn of(mut self, task: TaskId) -> Self {
        self.task = Some(task);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub(super) fn cancelled() -> Self {
        Self::new(ErrorCode::Cancelled, "The task was cancelled")
    }

    pub(super) fn client_gone() -> Self {
        Self::new(ErrorCode::ClientGone, "The client closed its connection")
    }

    /// The end of a task for this reason; `attempt` is the run that was cut off.
    pub(super) fn cancellation(&self, attempt: Option<Attempt>) -> Settlement {
        Settlement::Cancel { attempt, error: self.message.as_str().into(), code: self.code }
    }

    /// The task's key to the worker was stored and cannot be opened.
    pub(super) fn credential_unreadable() -> Self {
        let message = "The key to the worker cannot be opened: LB_AUTH_KEY was changed after the task was stored. \
                       Submit the task again; LB_AUTH_KEY_PREVIOUS, set to the former key, takes tasks through such a change";
        Self::new(ErrorCode::CredentialUnreadable, message)
    }

    /// The store had the task, and does not have it any more.
    pub(super) fn lost() -> Self {
        let message = "The queue's store has lost the task; whether it has run is not known";
        Self::new(ErrorCode::QueueUnavailable, message).retry_after(Duration::from_secs(1))
    }

    /// The drain has begun.
    pub fn shutting_down() -> Self {
        Self::new(ErrorCode::ShuttingDown, "The load balancer is shutting down").retry_after(Duration::from_secs(1))
    }

    pub(super) fn timeout(limit: Duration) -> Self {
        Self::new(ErrorCode::Timeout, format!("Task timed out after {} ms", limit.as_millis()))
    }
}
