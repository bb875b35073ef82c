//! The order of a lane: random courses of events, in the queue and in a model that is too simple to be wrong.

mod model;

use std::sync::Arc;
use std::time::Duration;

use andera_lb::queue::{
    Claim, ClaimRequest, Enqueued, Lease, MemoryQueue, NewTask, QueueError, QueueLimits, RequestId, Settlement,
    TaskFilter, TaskQueue,
};
use andera_lb::task::{
    Attempt, AttemptOutcome, Clock, Contract, ErrorCode, LaneKey, Mode, Priority, StoredResult, TaskId, TaskOptions,
    TaskSpec, Timestamp, WorkerKey,
};
use bytes::Bytes;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use self::model::{MAX_INTERRUPTIONS, MAX_WAITING, Model, Step, Submission};

/// Expiries are kept to the next full second, which is to come between two ticks as well.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_400);
/// Time passes in whole ticks; whatever falls due does so between two of them.
const TICK: Duration = Duration::from_secs(1);
const HALF_A_TICK: Duration = Duration::from_millis(500);
/// Longer than the queue takes to look at what is due, so short that there may be dozens within a tick.
const A_LOOK: Duration = Duration::from_millis(6);
/// Never runs out.
const LEASE: Duration = Duration::from_hours(1_000);

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn claims_come_in_the_models_order_and_counts_agree(steps in prop::collection::vec(model::step(), 1..100)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut course = Course::begin();
            // The queue looks at its lanes once a second: not at the very moment of a tick.
            tokio::time::sleep(Duration::from_millis(1)).await;
            for step in steps {
                course.take(&step).await;
                course.expire_what_came_back_late().await;
                course.agree().await;
            }
        });
    }
}

/// A queue and its model, side by side.
struct Course {
    queue: Arc<MemoryQueue>,
    model: Model,
    /// Every lease there ever was.
    leases: Vec<Lease>,
    clock: Clock,
    serial: u64,
    _stop: tokio_util::sync::DropGuard,
}

impl Course {
    fn begin() -> Self {
        let clock = Clock::simulated(START);
        let limits = QueueLimits {
            max_waiting: MAX_WAITING,
            max_interruptions: MAX_INTERRUPTIONS,
            retention: Duration::from_hours(1_000),
            retention_count: 1_000_000,
            retention_bytes: 1 << 40,
        };
        let queue = Arc::new(MemoryQueue::new(limits, clock.clone()));
        let stop = CancellationToken::new();
        let (background, stopped) = (Arc::clone(&queue), stop.clone());
        tokio::spawn(async move { background.run(stopped).await });
        Self { queue, model: Model::default(), leases: Vec::new(), clock, serial: 0, _stop: stop.drop_guard() }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Enqueue(submission) => {
                let task = self.task(submission);
                let (id, task_again) = (task.spec.id, task.clone());
                let expected = self.model.enqueue(id, submission, false);
                assert_eq!(self.queue.enqueue(task).await, expected);
                if expected.is_ok() {
                    // An unclear outcome is repeated.
                    assert_eq!(self.queue.enqueue(task_again).await, Ok(Enqueued::Known));
                }
            }
            Step::EnqueueAndClaim(submission, skip) => {
                let task = self.task(submission);
                let (id, request) = (task.spec.id, self.request(skip));
                let expected = self.model.enqueue(id, submission, true);
                let got = self.queue.enqueue_and_claim(task, request.clone()).await;
                assert_eq!(got.as_ref().map(|(enqueued, _)| *enqueued), expected.as_ref().copied());
                if let Ok((_, claim)) = got {
                    self.claimed(submission.lane, &request, claim.as_ref());
                }
            }
            Step::Claim(lane, skip) => {
                let request = self.request(skip);
                let claim = self.queue.claim(&key(lane), request.clone()).await.unwrap();
                self.claimed(lane, &request, claim.as_ref());
                if let Some(claim) = claim {
                    let again = ClaimRequest { repeat: true, ..request };
                    let repeated = self.queue.claim(&key(lane), again).await.unwrap();
                    assert_eq!(repeated.map(|claim| claim.lease), Some(claim.lease));
                }
            }
            Step::ClaimTask(pick) => {
                let Some(id) = self.model.pick(pick) else { return };
                let request = self.request(None);
                let claim = self.queue.claim_task(id, request).await.unwrap();
                let expected = self.model.claim_task(id);
                assert_eq!(claim.as_ref().map(|claim| (claim.spec.id, claim.attempts)), expected);
                self.leased(claim.as_ref());
            }
            Step::Settle { pick, how, claim_next } => self.settle(pick, how, claim_next).await,
            Step::Release { pick, interrupted } => {
                let Some(lease) = self.lease(pick) else { return };
                let released = self.queue.release(&lease, interrupted).await;
                assert_eq!(released, self.model.release(&lease, interrupted));
            }
            Step::Cancel(pick) => {
                let Some(id) = self.model.pick(pick) else { return };
                let ending = Settlement::Cancel { attempt: None, error: "no more".into(), code: ErrorCode::Cancelled };
                assert_eq!(self.queue.cancel(id, ending).await, Ok(self.model.cancel(id)));
            }
            Step::Promote(pick) => {
                let Some(id) = self.model.pick(pick) else { return };
                assert_eq!(self.queue.promote(id).await, Ok(self.model.promote(id)));
            }
            Step::Reprioritize(pick, priority) => {
                let Some(id) = self.model.pick(pick) else { return };
                let expected = self.model.reprioritize(id, priority);
                assert_eq!(self.queue.reprioritize(id, Priority::new(priority)).await, Ok(expected));
            }
            Step::Pause(lane, paused) => {
                self.queue.set_paused(&key(lane), paused).await.unwrap();
                self.model.pause(lane, paused);
            }
            Step::Purge => {
                let purged = self.queue.purge(&TaskFilter::default()).await;
                assert_eq!(purged, Ok(self.model.purge()));
            }
            Step::Pass(ticks) => {
                tokio::time::sleep(TICK * ticks).await;
                self.model.pass(u64::from(ticks));
            }
        }
    }

    /// What waits again after its time fails at the queue's next look at it.
    async fn expire_what_came_back_late(&mut self) {
        if self.model.expire() {
            tokio::time::sleep(A_LOOK).await;
        }
    }

    async fn settle(&mut self, pick: usize, how: model::Settle, claim_next: bool) {
        let Some(lease) = self.lease(pick) else { return };
        let lane = usize::from(lease.lane == key(1));
        let settlement = self.settlement(how);
        let expected = self.model.settle(&lease, how);
        let settled = if claim_next {
            let request = self.request(None);
            let (settled, claim) = self.queue.settle_and_claim(&lease, settlement.clone(), request.clone()).await;
            self.claimed(lane, &request, claim.unwrap().as_ref());
            settled
        } else {
            self.queue.settle(&lease, settlement.clone()).await
        };
        match expected {
            model::Expected::Fresh(outcome) => {
                assert_eq!(settled, Ok(outcome));
                // An unclear outcome is repeated.
                assert!(self.queue.settle(&lease, settlement).await.is_ok());
            }
            model::Expected::Repeated => assert!(settled.is_ok()),
            model::Expected::Lost => assert_eq!(settled, Err(QueueError::LeaseLost)),
        }
    }

    /// The queue and the model know the same tasks in the same states.
    async fn agree(&self) {
        for (lane, expected) in self.model.counts() {
            assert_eq!(self.queue.lane_counts(&key(lane)).await.unwrap().counts, expected);
        }
        for (id, expected) in self.model.states() {
            assert_eq!(self.queue.get(id).await.unwrap().map(|record| record.state), Some(expected));
        }
        let all = TaskFilter { limit: usize::MAX, ..TaskFilter::default() };
        let listed: Vec<_> = self.queue.list(&all).await.unwrap().tasks.iter().map(|task| task.spec.id).collect();
        let mut known: Vec<_> = self.model.states().map(|(id, _)| id).collect();
        known.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(listed, known);
    }

    fn claimed(&mut self, lane: usize, request: &ClaimRequest, claim: Option<&Claim>) {
        let expected = self.model.claim(lane, &request.skip);
        let got = claim.map(|claim| (claim.spec.id, claim.attempts));
        assert_eq!(got, expected);
        self.leased(claim);
    }

    fn leased(&mut self, claim: Option<&Claim>) {
        if let Some(Claim { lease, .. }) = claim {
            self.model.leased(lease);
            self.leases.push(lease.clone());
        }
    }

    fn lease(&self, pick: usize) -> Option<Lease> {
        // The newest are the likeliest to be alive.
        let newest = self.leases.iter().rev();
        newest.cycle().nth(pick % self.leases.len().max(1)).cloned()
    }

    fn request(&mut self, skip: Option<usize>) -> ClaimRequest {
        self.serial += 1;
        let mut request = ClaimRequest::new(RequestId(self.serial), LEASE);
        request.skip.extend(skip.and_then(|pick| self.model.pick(pick)));
        request
    }

    fn task(&mut self, submission: Submission) -> NewTask {
        self.serial += 1;
        let now = self.clock.now();
        let spec = TaskSpec {
            idempotency: None,
            id: TaskId::new(now, u128::from(self.serial) << 56),
            lane: key(submission.lane),
            function: "f".into(),
            mode: Mode::Async,
            options: TaskOptions { attempts: submission.runs_once.then_some(1), ..TaskOptions::default() },
            body: Bytes::from_static(b"{}"),
            worker_key: WorkerKey::new("k"),
            webhook: None,
            created_at: now,
            expires_at: self.between_ticks(submission.lives),
            resumable: false,
        };
        NewTask {
            spec: Arc::new(spec),
            priority: Priority::new(submission.priority),
            run_at: submission.delay.map(|ticks| self.between_ticks(ticks)),
        }
    }

    /// Half a tick before so many have passed.
    fn between_ticks(&self, ticks: u64) -> Timestamp {
        self.clock.now().after(TICK * u32::try_from(ticks - 1).unwrap() + HALF_A_TICK)
    }

    fn settlement(&self, how: model::Settle) -> Settlement {
        let attempt = Attempt {
            n: 1,
            worker: "http://w".into(),
            started_at: START,
            ended_at: Some(START),
            outcome: Some(AttemptOutcome::Completed),
            status: Some(200),
            why: Arc::default(),
        };
        let result = StoredResult { status: 200, content_type: None, body: Bytes::new(), truncated: false };
        match how {
            model::Settle::Complete => Settlement::Complete { attempt, result },
            model::Settle::Fail => {
                let (error, code) = ("no".into(), ErrorCode::WorkerFailed);
                Settlement::Fail { attempt: Some(attempt), error, code, result: None }
            }
            model::Settle::Retry(None) => Settlement::Retry { attempt, at: None },
            model::Settle::Retry(Some(ticks)) => Settlement::Retry { attempt, at: Some(self.between_ticks(ticks)) },
        }
    }
}

fn key(lane: usize) -> LaneKey {
    LaneKey::new(["a", "b"][lane], Contract::new(1.0).unwrap())
}
