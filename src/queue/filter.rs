//! Looking at the queue.

use std::collections::HashSet;
use std::sync::Arc;

use crate::task::{Contract, LaneKey, TaskId, TaskRecord, TaskState, Timestamp};

/// Which tasks to list. An empty field matches everything.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// One of these states.
    pub states: Vec<TaskState>,
    /// This group.
    pub group: Option<Arc<str>>,
    /// This contract.
    pub contract: Option<Contract>,
    /// This function.
    pub function: Option<Arc<str>>,
    /// Some attempt ran on this worker, or the task is among [`Self::on_worker_now`].
    pub worker: Option<Arc<str>>,
    /// What runs on that worker now. An attempt is in the store once it has ended, so the caller must say.
    pub on_worker_now: HashSet<TaskId>,
    /// This `options.tenant`.
    pub tenant: Option<Arc<str>>,
    /// Submitted at this moment or later.
    pub since: Option<Timestamp>,
    /// Submitted before this moment.
    pub until: Option<Timestamp>,
    /// A text within the id or the error.
    pub text: Option<Arc<str>>,
    /// Older than this task: where the previous page ended.
    pub before: Option<TaskId>,
    /// How many at most.
    pub limit: usize,
}

impl TaskFilter {
    /// Whether a task of that lane and state may match; [`Self::matches`] has the last word.
    pub(super) fn may_match(&self, lane: &LaneKey, state: TaskState) -> bool {
        (self.states.is_empty() || self.states.contains(&state))
            && self.group.as_ref().is_none_or(|group| *group == lane.group)
            && self.contract.is_none_or(|contract| contract == lane.contract)
    }

    /// Whether a task matches, cursor and limit aside.
    pub fn matches(&self, record: &TaskRecord) -> bool {
        let spec = &record.spec;
        (self.states.is_empty() || self.states.contains(&record.state))
            && self.group.as_ref().is_none_or(|group| *group == spec.lane.group)
            && self.contract.is_none_or(|contract| contract == spec.lane.contract)
            && self.function.as_ref().is_none_or(|function| *function == spec.function)
            && self.tenant.as_ref().is_none_or(|tenant| spec.options.tenant.as_ref() == Some(tenant))
            && self.since.is_none_or(|since| spec.created_at >= since)
            && self.until.is_none_or(|until| spec.created_at < until)
            && self.worker.as_ref().is_none_or(|worker| {
                self.on_worker_now.contains(&spec.id) || record.attempts.iter().any(|attempt| attempt.worker == *worker)
            })
            && self.text.as_ref().is_none_or(|text| {
                spec.id.to_string().contains(text.as_ref())
                    || record.error.as_ref().is_some_and(|error| error.contains(text.as_ref()))
            })
    }
}

/// One page of tasks, newest first.
#[derive(Clone, Debug, Default)]
pub struct TaskPage {
    /// The tasks.
    pub tasks: Vec<TaskRecord>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<TaskId>,
}

impl TaskPage {
    /// Adds what matches; `false` once the page is full, and it is known where the next one starts.
    pub(super) fn extend(&mut self, records: impl IntoIterator<Item = TaskRecord>, filter: &TaskFilter) -> bool {
        for record in records.into_iter().filter(|record| filter.matches(record)) {
            if self.tasks.len() == filter.limit {
                self.next = self.tasks.last().map(|task| task.spec.id);
                return false;
            }
            self.tasks.push(record);
        }
        true
    }
}

/// How many tasks are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts {
    /// Claimable.
    pub queued: u64,
    /// Waiting for a moment.
    pub delayed: u64,
    /// Claimed.
    pub running: u64,
    /// Kept after a good end.
    pub completed: u64,
    /// Kept after a bad end.
    pub failed: u64,
    /// Kept after being cancelled.
    pub cancelled: u64,
}

impl StateCounts {
    /// The count of a state.
    pub fn of(&mut self, state: TaskState) -> &mut u64 {
        match state {
            TaskState::Queued => &mut self.queued,
            TaskState::Delayed => &mut self.delayed,
            TaskState::Running => &mut self.running,
            TaskState::Completed => &mut self.completed,
            TaskState::Failed => &mut self.failed,
            TaskState::Cancelled => &mut self.cancelled,
        }
    }
}

/// How a lane stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneCounts {
    /// The lane.
    pub lane: LaneKey,
    /// Its tasks by state.
    pub counts: StateCounts,
    /// Whether claims are stopped.
    pub paused: bool,
}
