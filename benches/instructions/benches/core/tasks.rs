//! Tasks to work on, the same in every run.

use std::sync::Arc;
use std::time::Duration;

use andera_lb::queue::{Claim, ClaimRequest, Lease, NewTask, RequestId, Settlement};
use andera_lb::task::{
    Attempt, AttemptOutcome, Candidate, Chance, Choice, Contract, LaneKey, Mode, StoredResult, TaskId, TaskOptions,
    TaskRecord, TaskSpec, TaskState, Timestamp, WorkerKey,
};
use bytes::Bytes;

/// What a client sends.
const BODY: usize = 1_024;
/// What a worker answers.
const RESULT: usize = 100;
/// The end of 2026.
const BEGIN: Timestamp = Timestamp::from_millis(1_798_761_600_000);
/// No task expires while this is in use.
const LIFE: Duration = Duration::from_hours(24 * 365 * 50);

/// Makes tasks, and what is asked for them.
pub(crate) struct Tasks {
    chance: Chance,
    serial: u64,
    lane: LaneKey,
    key: WorkerKey,
    function: Arc<str>,
    worker: Arc<str>,
    body: Bytes,
    result: Bytes,
    choice: Choice,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        let chance = Chance::seeded(1);
        let letters = || b'0' + chance.number().to_le_bytes()[0] % 64;
        let body = (0..BODY).map(|_| letters()).collect();
        let result = (0..RESULT).map(|_| letters()).collect();
        let signals =
            Candidate { worker: 3, slots: 16, used: 5, latency_ms: 12.5, weight: 1.0, ..Candidate::default() };
        let choice = Choice {
            policy: "native:least-loaded".into(),
            version: "0.1.0".into(),
            rank: 1,
            candidates: 3,
            took_us: 2,
            signals,
            ..Choice::default()
        };
        Self {
            lane: LaneKey::new("measured", Contract::new(1.0).expect("a contract")),
            key: WorkerKey::new("bench-worker-key"),
            function: "hello".into(),
            worker: "http://127.0.0.1:3000".into(),
            chance,
            serial: 0,
            body,
            result,
            choice,
        }
    }

    /// A new task, a millisecond after the one before.
    pub(crate) fn task(&mut self) -> NewTask {
        self.serial += 1;
        let now = BEGIN.after(Duration::from_millis(self.serial));
        let spec = TaskSpec {
            id: TaskId::new(now, self.chance.wide_number()),
            lane: self.lane.clone(),
            function: Arc::clone(&self.function),
            mode: Mode::Async,
            options: TaskOptions::default(),
            body: self.body.clone(),
            worker_key: self.key.clone(),
            webhook: None,
            created_at: now,
            expires_at: now.after(LIFE),
            resumable: false,
            idempotency: None,
        };
        NewTask { spec: Arc::new(spec), priority: None, run_at: None }
    }

    /// How a task stands that is new, and how it does when it has run.
    pub(crate) fn new_and_ended(&mut self) -> (TaskRecord, TaskRecord) {
        let spec = self.task().spec;
        let at = spec.created_at;
        let new = TaskRecord {
            spec,
            state: TaskState::Queued,
            priority: None,
            attempts: Vec::new(),
            interruptions: 0,
            run_at: None,
            finished_at: None,
            result: None,
            error: None,
            code: None,
            owes_notice: false,
        };
        let ended = TaskRecord {
            state: TaskState::Completed,
            attempts: vec![self.attempt(at)],
            finished_at: Some(at),
            result: Some(self.result()),
            ..new.clone()
        };
        (new, ended)
    }

    /// A good end of that claim.
    pub(crate) fn completed(&self, claim: &Claim) -> (Lease, Settlement) {
        let attempt = self.attempt(claim.spec.created_at);
        (claim.lease.clone(), Settlement::Complete { attempt, result: self.result() })
    }

    fn attempt(&self, at: Timestamp) -> Attempt {
        Attempt {
            n: 1,
            worker: Arc::clone(&self.worker),
            started_at: at,
            ended_at: Some(at),
            outcome: Some(AttemptOutcome::Completed),
            status: Some(200),
            why: Arc::new(self.choice.clone()),
        }
    }

    fn result(&self) -> StoredResult {
        StoredResult { status: 200, content_type: None, body: self.result.clone(), truncated: false }
    }
}

/// A claim of whatever is the head of a lane.
pub(crate) fn request(number: u64) -> ClaimRequest {
    ClaimRequest::new(RequestId(number), Duration::from_hours(1))
}
