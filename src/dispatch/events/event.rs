//! What is told of a task.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::queue::{Claim, Settlement};
use crate::task::{Attempt, ErrorCode, LaneKey, TaskId, TaskRecord, TaskSpec, TaskState, Timestamp};

/// How much of an error's text an event holds.
const MAX_ERROR_BYTES: usize = 1_024;

/// That a task has come into a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEvent {
    /// The task.
    pub task: TaskId,
    /// Its lane.
    pub lane: LaneKey,
    /// Its function.
    pub function: Arc<str>,
    /// The state it has come into.
    pub state: TaskState,
    /// When.
    pub at: Timestamp,
    /// How many of its attempts have ended by then.
    pub attempts: u32,
    /// The attempt that begins or ends with it: its number and worker.
    pub attempt: Option<(u32, Arc<str>)>,
    /// When it is due, while it is delayed.
    pub run_at: Option<Timestamp>,
    /// Why it ended badly.
    pub code: Option<ErrorCode>,
    /// The same in words, cut if they are many.
    pub error: Option<Arc<str>>,
    pub(super) step: Step,
}

/// What a task has done to come into its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// It was taken in.
    Submitted,
    /// It was sent to a worker.
    Delivered,
    /// A run has ended, and with it the task or not.
    Concluded,
    /// It ended without a run.
    EndedUnrun,
    /// It may run sooner.
    Promoted,
    /// It had ended and runs again.
    Requeued,
}

impl TaskEvent {
    fn new(spec: &TaskSpec, step: Step, state: TaskState, at: Timestamp, attempts: u32) -> Self {
        Self {
            task: spec.id,
            lane: spec.lane.clone(),
            function: Arc::clone(&spec.function),
            state,
            at,
            attempts,
            attempt: None,
            run_at: None,
            code: None,
            error: None,
            step,
        }
    }

    /// A task was taken in.
    pub(in crate::dispatch) fn submitted(spec: &TaskSpec, run_at: Option<Timestamp>) -> Self {
        let state = if run_at.is_some() { TaskState::Delayed } else { TaskState::Queued };
        Self { run_at, ..Self::new(spec, Step::Submitted, state, spec.created_at, 0) }
    }

    /// A claim was sent to a worker.
    pub(in crate::dispatch) fn delivered(claim: &Claim, attempt: &Attempt) -> Self {
        let event = Self::new(&claim.spec, Step::Delivered, TaskState::Running, attempt.started_at, claim.attempts);
        Self { attempt: Some((attempt.n, Arc::clone(&attempt.worker))), ..event }
    }

    /// A claim that had been sent to a worker was given back: the worker could not be reached.
    pub(in crate::dispatch) fn returned(claim: &Claim, at: Timestamp) -> Self {
        Self::new(&claim.spec, Step::Concluded, TaskState::Queued, at, claim.attempts)
    }

    /// A claim has ended with an outcome.
    pub(in crate::dispatch) fn concluded(claim: &Claim, settlement: &Settlement, at: Timestamp) -> Self {
        let attempt = attempt_of(settlement).map(|attempt| (attempt.n, Arc::clone(&attempt.worker)));
        let attempts = claim.attempts + u32::from(attempt.is_some());
        let event = Self::new(&claim.spec, Step::Concluded, settlement.state(), at, attempts);
        Self { attempt, ..event }.explained(settlement)
    }

    /// A task has ended without a run.
    pub(in crate::dispatch) fn ended_unrun(spec: &TaskSpec, ending: &Settlement, at: Timestamp) -> Self {
        Self::new(spec, Step::EndedUnrun, ending.state(), at, 0).explained(ending)
    }

    /// The queue has ended a task by its own rules.
    pub(in crate::dispatch) fn ended_by_queue(record: &TaskRecord, at: Timestamp) -> Self {
        let event = Self::new(&record.spec, Step::EndedUnrun, record.state, record.finished_at.unwrap_or(at), 0);
        Self { code: record.code, error: record.error.as_ref().map(cut), ..event }
    }

    /// A delayed task may run now.
    pub(in crate::dispatch) fn promoted(record: &TaskRecord, at: Timestamp) -> Self {
        let attempts = u32::try_from(record.attempts.len()).unwrap_or(u32::MAX);
        Self::new(&record.spec, Step::Promoted, TaskState::Queued, at, attempts)
    }

    /// A task that had ended waits again.
    pub(in crate::dispatch) fn requeued(record: &TaskRecord, at: Timestamp) -> Self {
        let attempts = u32::try_from(record.attempts.len()).unwrap_or(u32::MAX);
        Self::new(&record.spec, Step::Requeued, TaskState::Queued, at, attempts)
    }

    fn explained(self, settlement: &Settlement) -> Self {
        match settlement {
            Settlement::Fail { error, code, .. } | Settlement::Cancel { error, code, .. } => {
                Self { code: Some(*code), error: Some(cut(error)), ..self }
            }
            Settlement::Retry { at, .. } => Self { run_at: *at, ..self },
            Settlement::Complete { .. } => self,
        }
    }
}

fn attempt_of(settlement: &Settlement) -> Option<&Attempt> {
    match settlement {
        Settlement::Complete { attempt, .. } | Settlement::Retry { attempt, .. } => Some(attempt),
        Settlement::Fail { attempt, .. } | Settlement::Cancel { attempt, .. } => attempt.as_ref(),
    }
}

fn cut(text: &Arc<str>) -> Arc<str> {
    if text.len() <= MAX_ERROR_BYTES {
        return Arc::clone(text);
    }
    text[..text.floor_char_boundary(MAX_ERROR_BYTES)].into()
}
