//! What a ledger always knows of a task.

use crate::task::{Mode, TaskState, Timestamp};

use super::order::Order;

/// Where a task stands in its life, and since or until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Phase {
    /// It can be claimed.
    Queued,
    /// It can be claimed from that moment on.
    Delayed(Timestamp),
    /// It is claimed.
    Running,
    /// It ended well at that moment.
    Completed(Timestamp),
    /// It ended badly at that moment.
    Failed(Timestamp),
    /// It ended on request at that moment.
    Cancelled(Timestamp),
}

impl Phase {
    /// How a task waits that may run at `at`.
    pub(super) fn waiting(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Queued, Self::Delayed)
    }

    pub(in crate::queue) const fn state(self) -> TaskState {
        match self {
            Self::Queued => TaskState::Queued,
            Self::Delayed(_) => TaskState::Delayed,
            Self::Running => TaskState::Running,
            Self::Completed(_) => TaskState::Completed,
            Self::Failed(_) => TaskState::Failed,
            Self::Cancelled(_) => TaskState::Cancelled,
        }
    }

    pub(in crate::queue) const fn run_at(self) -> Option<Timestamp> {
        match self {
            Self::Delayed(at) => Some(at),
            _ => None,
        }
    }

    pub(in crate::queue) const fn finished_at(self) -> Option<Timestamp> {
        match self {
            Self::Completed(at) | Self::Failed(at) | Self::Cancelled(at) => Some(at),
            Self::Queued | Self::Delayed(_) | Self::Running => None,
        }
    }
}

/// What a ledger always knows of a task, wherever the rest of it is. Each change makes the version one greater, so that of two
/// standings of a task the later one is known whatever the order they are read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) struct Standing {
    pub(in crate::queue) phase: Phase,
    pub(in crate::queue) order: Order,
    pub(in crate::queue) expires_at: Timestamp,
    /// Grows with every change. That of a claim is its fencing token.
    pub(in crate::queue) version: u32,
    /// How many attempts have ended.
    pub(in crate::queue) attempts: u32,
    /// How many of them were before the task was last requeued.
    pub(in crate::queue) earlier: u32,
    pub(in crate::queue) interruptions: u16,
    pub(in crate::queue) mode: Mode,
    /// Whether the webhook of the task is still to be told that it has failed.
    pub(in crate::queue) owes_notice: bool,
}

impl Standing {
    pub(in crate::queue) const fn state(&self) -> TaskState {
        self.phase.state()
    }
}
