//! What is known of a task.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Attempt, ErrorCode, Priority, TaskSpec, Timestamp};

/// Where a task stands. The last three are endings: a task reaches exactly one of them and stays there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Waits in its lane.
    Queued,
    /// Waits for a moment: its first run, or its next one.
    Delayed,
    /// Claimed by a balancer.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Ended on request.
    Cancelled,
}

impl TaskState {
    /// Every state there is, in the order of a task's life.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Delayed, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// Whether the task has ended.
    pub const fn is_ending(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Whether the task waits to run.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Queued | Self::Delayed)
    }

    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delayed => "delayed",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A worker's last answer, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    /// The HTTP status.
    pub status: u16,
    /// The content type, if the worker named one.
    pub content_type: Option<Arc<str>>,
    /// The body, at most `RESULT_MAX_BYTES` of it.
    pub body: Bytes,
    /// Whether the body was cut.
    pub truncated: bool,
}

/// What is known of a task: its fixed part and its life so far.
#[derive(Clone, Debug)]
pub struct TaskRecord {
    /// The fixed part.
    pub spec: Arc<TaskSpec>,
    /// Where it stands.
    pub state: TaskState,
    /// Its present priority.
    pub priority: Option<Priority>,
    /// The ended attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// How often a balancer's death or shutdown cut it off.
    pub interruptions: u32,
    /// When it is due, while it is delayed.
    pub run_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The worker's last answer, once the task has ended.
    pub result: Option<StoredResult>,
    /// Why it ended badly.
    pub error: Option<Arc<str>>,
    /// The stable word of that.
    pub code: Option<ErrorCode>,
    /// Whether its webhook is still to be told by the balancer that it has failed.
    pub owes_notice: bool,
}
