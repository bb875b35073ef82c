//! The states of tasks as bull-board names them.

use crate::task::{TaskRecord, TaskState};

/// A state, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Latest,
    Active,
    Waiting,
    WaitingChildren,
    Prioritized,
    Completed,
    Failed,
    Delayed,
}

impl Status {
    pub(super) const ALL: [Self; 8] = [
        Self::Latest,
        Self::Active,
        Self::Waiting,
        Self::WaitingChildren,
        Self::Prioritized,
        Self::Completed,
        Self::Failed,
        Self::Delayed,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::WaitingChildren => "waiting-children",
            Self::Prioritized => "prioritized",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Delayed => "delayed",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// The status of a task.
    pub(super) fn of(record: &TaskRecord) -> Self {
        match record.state {
            TaskState::Queued if record.priority.is_some() => Self::Prioritized,
            TaskState::Queued => Self::Waiting,
            TaskState::Delayed => Self::Delayed,
            TaskState::Running => Self::Active,
            TaskState::Completed => Self::Completed,
            TaskState::Failed | TaskState::Cancelled => Self::Failed,
        }
    }

    pub(super) fn holds(self, record: &TaskRecord) -> bool {
        self == Self::Latest || Self::of(record) == self
    }

    /// The states of tasks that may have it.
    pub(super) fn states(self) -> &'static [TaskState] {
        match self {
            Self::Latest => &TaskState::ALL,
            Self::Active => &[TaskState::Running],
            Self::Waiting | Self::Prioritized => &[TaskState::Queued],
            Self::WaitingChildren => &[],
            Self::Completed => &[TaskState::Completed],
            Self::Failed => &[TaskState::Failed, TaskState::Cancelled],
            Self::Delayed => &[TaskState::Delayed],
        }
    }
}
