//! What webhooks are still to be told.

use crate::task::{TaskId, Timestamp};

/// That the balancer is still to tell a webhook of its task's failure. In order of endings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwedNotice {
    /// When the task ended: tells this failure from one after it was run again.
    pub ended_at: Timestamp,
    /// The task.
    pub task: TaskId,
}
