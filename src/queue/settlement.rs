//! How claims end.

use std::sync::Arc;

use crate::task::{Attempt, ErrorCode, StoredResult, TaskId, TaskState, Timestamp};

/// The outcome of a claim.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// The task has ended well.
    Complete {
        /// The run.
        attempt: Attempt,
        /// What the worker answered.
        result: StoredResult,
    },
    /// The task has ended badly.
    Fail {
        /// The run, if it got that far.
        attempt: Option<Attempt>,
        /// Why, in words.
        error: Arc<str>,
        /// Why, in a word.
        code: ErrorCode,
        /// What the worker answered last.
        result: Option<StoredResult>,
    },
    /// The task has ended on request.
    Cancel {
        /// The run that was cut off.
        attempt: Option<Attempt>,
        /// Why, in words.
        error: Arc<str>,
        /// Why, in a word.
        code: ErrorCode,
    },
    /// The task is to run again, keeping its place among equals.
    Retry {
        /// The run that failed.
        attempt: Attempt,
        /// When it may run again; `None` is at once.
        at: Option<Timestamp>,
    },
}

impl Settlement {
    /// The state this leads to.
    pub const fn state(&self) -> TaskState {
        match self {
            Self::Complete { .. } => TaskState::Completed,
            Self::Fail { .. } => TaskState::Failed,
            Self::Cancel { .. } => TaskState::Cancelled,
            Self::Retry { at: None, .. } => TaskState::Queued,
            Self::Retry { at: Some(_), .. } => TaskState::Delayed,
        }
    }

    /// The run that this ends.
    pub const fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Complete { attempt, .. } | Self::Retry { attempt, .. } => Some(attempt),
            Self::Fail { attempt, .. } | Self::Cancel { attempt, .. } => attempt.as_ref(),
        }
    }

    /// Why the task has ended, unless it ended well.
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Fail { code, .. } | Self::Cancel { code, .. } => Some(*code),
            Self::Complete { .. } | Self::Retry { .. } => None,
        }
    }
}

/// What a settle did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The task has ended.
    Ended,
    /// The task waits again.
    Waits(Waiting),
}

/// How a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// It can be claimed.
    Now,
    /// It can be claimed later.
    Later,
}

/// What a release did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The task waits in its old place.
    Waits,
    /// It was interrupted once too often and has failed with `interrupted`.
    Failed,
}

/// What a cancel found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The task waited and has ended now.
    Done,
    /// The task runs.
    Running,
    /// The task had ended before.
    Ended,
    /// No such task.
    Unknown,
}

/// What a requeue found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeued {
    /// The task had ended and waits again.
    Done,
    /// The task has not ended.
    NotEnded,
    /// No such task.
    Unknown,
}

/// That a task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The task.
    pub task: TaskId,
    /// How.
    pub state: TaskState,
    /// Why, unless it ended well.
    pub code: Option<ErrorCode>,
}
