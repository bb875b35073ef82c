//! The tasks.

use std::sync::Arc;
use std::time::Duration;

use andera_lb::queue::{Claim, ClaimRequest, Lease, NewTask, RequestId, Settlement};
use andera_lb::task::{
    Attempt, AttemptOutcome, Chance, Choice, Clock, Contract, LaneKey, Mode, StoredResult, TaskId, TaskOptions,
    TaskSpec, WorkerKey,
};
use anyhow::{Context, Result};
use bytes::Bytes;

/// What a client sends.
pub(crate) const BODY: usize = 1_024;
/// What a worker answers.
const RESULT: usize = 100;
/// Longer than any measurement: leases are not renewed here.
const LEASE: Duration = Duration::from_hours(1);
const LIFE: Duration = Duration::from_hours(24);
const OTHER_LANES: u64 = 10;

/// Makes tasks, and what is asked for them.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    clock: Clock,
    chance: Chance,
    contract: Contract,
    /// The lane that is measured.
    pub(crate) lane: LaneKey,
    function: Arc<str>,
    worker: Arc<str>,
    policy: Arc<str>,
    key: WorkerKey,
    /// Bodies that do not compress, as sealed and encoded data does not.
    noise: Bytes,
}

impl Tasks {
    pub(crate) fn new() -> Result<Self> {
        let contract = Contract::new(1.0).context("1 is a contract")?;
        let chance = Chance::process();
        let noise = (0..64 * BODY).map(|_| b'0' + chance.number().to_le_bytes()[0] % 64).collect();
        Ok(Self {
            clock: Clock::system(),
            chance,
            contract,
            lane: LaneKey::new("measured", contract),
            function: "hello".into(),
            worker: "http://127.0.0.1:3000".into(),
            policy: "native:least-loaded".into(),
            key: WorkerKey::new("bench-worker-key"),
            noise,
        })
    }

    /// One of the lanes that are not measured.
    pub(crate) fn other_lane(&self, number: u64) -> LaneKey {
        LaneKey::new(format!("other-{}", number % OTHER_LANES), self.contract)
    }

    /// A new task.
    pub(crate) fn task(&self, lane: LaneKey) -> NewTask {
        let now = self.clock.now();
        let from = usize::from(self.chance.number().to_le_bytes()[0]) * 64;
        let spec = TaskSpec {
            id: TaskId::new(now, self.chance.wide_number()),
            lane,
            function: Arc::clone(&self.function),
            mode: Mode::Async,
            options: TaskOptions::default(),
            // A copy: each client's bytes are its own.
            body: Bytes::copy_from_slice(&self.noise[from..from + BODY]),
            worker_key: self.key.clone(),
            webhook: None,
            created_at: now,
            expires_at: now.after(LIFE),
            resumable: false,
            idempotency: None,
        };
        NewTask { spec: Arc::new(spec), priority: None, run_at: None }
    }

    pub(crate) fn request(&self) -> ClaimRequest {
        ClaimRequest::new(RequestId(self.chance.number()), LEASE)
    }

    /// A good end of that claim.
    pub(crate) fn completed(&self, claim: &Claim) -> (Lease, Settlement) {
        let now = self.clock.now();
        let attempt = Attempt {
            n: claim.attempts + 1,
            worker: Arc::clone(&self.worker),
            started_at: now,
            ended_at: Some(now),
            outcome: Some(AttemptOutcome::Completed),
            status: Some(200),
            why: Arc::new(Choice {
                policy: Arc::clone(&self.policy),
                rank: 1,
                candidates: 3,
                took_us: 2,
                ..Choice::default()
            }),
        };
        let body = Bytes::copy_from_slice(&self.noise[..RESULT]);
        let result = StoredResult { status: 200, content_type: None, body, truncated: false };
        (claim.lease.clone(), Settlement::Complete { attempt, result })
    }
}
