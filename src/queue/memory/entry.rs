//! One task in memory.

use std::sync::Arc;

use tokio::time::Instant;

use crate::queue::{Claim, Lease, NewTask, RequestId, Settled, Settlement};
use crate::task::{Attempt, ErrorCode, Priority, StoredResult, TaskRecord, TaskSpec, TaskState, Timestamp};

/// What a task costs beyond its texts, roughly.
const ENTRY_BYTES: usize = 512;

/// One task in memory.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) spec: Arc<TaskSpec>,
    pub(super) priority: Option<Priority>,
    /// Its place among equals.
    pub(super) sequence: u64,
    pub(super) state: TaskState,
    pub(super) run_at: Option<Timestamp>,
    pub(super) interruptions: u32,
    /// The token of the latest claim; 0 before the first.
    pub(super) token: u64,
    /// The token of the claim that was settled last, and what that did.
    pub(super) settled: Option<(u64, Settled)>,
    pub(super) request: Option<RequestId>,
    pub(super) lease_until: Instant,
    attempts: Vec<Attempt>,
    /// How many of them were before the task was last requeued.
    earlier: usize,
    pub(super) finished_at: Option<Timestamp>,
    result: Option<StoredResult>,
    error: Option<Arc<str>>,
    pub(super) code: Option<ErrorCode>,
}

/// Tasks are claimed in this order: no priority, then 1, 2, …; among equals by place.
pub(super) type OrderKey = (u32, u64);

impl Entry {
    pub(super) fn new(task: NewTask, sequence: u64, now: Timestamp) -> Self {
        let run_at = task.run_at.filter(|at| *at > now);
        Self {
            spec: task.spec,
            priority: task.priority,
            sequence,
            state: if run_at.is_some() { TaskState::Delayed } else { TaskState::Queued },
            run_at,
            interruptions: 0,
            token: 0,
            settled: None,
            request: None,
            lease_until: Instant::now(),
            attempts: Vec::new(),
            earlier: 0,
            finished_at: None,
            result: None,
            error: None,
            code: None,
        }
    }

    pub(super) fn order(&self) -> OrderKey {
        (Priority::rank(self.priority), self.sequence)
    }

    pub(super) fn claim(&self) -> Claim {
        Claim {
            lease: Lease { task: self.spec.id, lane: self.spec.lane.clone(), token: self.token },
            spec: Arc::clone(&self.spec),
            priority: self.priority,
            attempts: u32::try_from(self.attempts.len()).unwrap_or(u32::MAX),
            earlier: u32::try_from(self.earlier).unwrap_or(u32::MAX),
            last_attempt: self.attempts[self.earlier..].last().cloned(),
        }
    }

    /// Writes an outcome down. The caller moves the task to the state it leads to.
    pub(super) fn apply(&mut self, settlement: Settlement, now: Timestamp) {
        let state = settlement.state();
        match settlement {
            Settlement::Complete { attempt, result } => {
                self.attempts.push(attempt);
                self.result = Some(result);
            }
            Settlement::Fail { attempt, error, code, result } => {
                self.attempts.extend(attempt);
                self.result = result;
                self.error = Some(error);
                self.code = Some(code);
            }
            Settlement::Cancel { attempt, error, code } => {
                self.attempts.extend(attempt);
                self.error = Some(error);
                self.code = Some(code);
            }
            Settlement::Retry { attempt, at } => {
                self.attempts.push(attempt);
                self.run_at = at;
            }
        }
        if state.is_ending() {
            self.run_at = None;
            self.finished_at = Some(now);
        }
    }

    /// Turns a task that has ended into one that waits; the caller gives it its place in the lane.
    pub(super) fn begin_again(&mut self, sequence: u64, expires_at: Timestamp) {
        self.spec = Arc::new(self.spec.again(expires_at));
        self.sequence = sequence;
        self.state = TaskState::Queued;
        self.earlier = self.attempts.len();
        self.interruptions = 0;
        self.finished_at = None;
        self.result = None;
        self.error = None;
        self.code = None;
    }

    /// Whether the task may be run at most once.
    pub(super) fn runs_once(&self) -> bool {
        self.spec.options.attempts == Some(1)
    }

    /// Bytes the task keeps in memory, roughly.
    pub(super) fn bytes(&self) -> u64 {
        let result = self.result.as_ref().map_or(0, |result| result.body.len());
        let key = self.spec.idempotency.as_ref().map_or(0, |idempotency| idempotency.key.as_str().len());
        (ENTRY_BYTES + self.spec.body.len() + key + result) as u64
    }

    pub(super) fn record(&self) -> TaskRecord {
        TaskRecord {
            spec: Arc::clone(&self.spec),
            state: self.state,
            priority: self.priority,
            attempts: self.attempts.clone(),
            interruptions: self.interruptions,
            run_at: self.run_at,
            finished_at: self.finished_at,
            result: self.result.clone(),
            error: self.error.clone(),
            code: self.code,
        }
    }
}
