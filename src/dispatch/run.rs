//! One claim, from its ranking to its settlement, and on to the next claim of the lane.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::aside::Waiter;
use super::backoff::backoff;
use super::exchange::{Exchange, ExchangeEnd};
use super::flights::StopReason;
use super::judge::{AttemptEnd, Circumstances, Decision, error_text, judge, outcome};
use super::lane::Lane;
use super::{Dispatcher, Refusal, Reply, Timing};
use crate::policy::RankContext;
use crate::queue::{Claim, Lease, QueueError, Released, Settled, Settlement, Waiting};
use crate::task::{Attempt, AttemptOutcome, ErrorCode, Priority, TaskSpec, TaskState, stable_hash};
use crate::workers::{Exclusion, Permit, Reservation, Verdict, WorkerId};

/// How often a settlement is tried again while the queue does not answer, with growing pauses.
const SETTLE_TRIES: u32 = 60;
const SETTLE_PAUSE: Duration = Duration::from_millis(50);
const SETTLE_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A policy's answer, as workers.
pub(super) struct Decided {
    /// In order of preference; empty means *wait*.
    pub(super) workers: Vec<WorkerId>,
    took: Duration,
    /// There was nobody to choose from.
    deserted: bool,
}

/// How a run stands between its delivery and its settlement.
struct Attempted {
    attempt: Attempt,
    timing: Timing,
    delivered: Instant,
}

impl Dispatcher {
    /// Runs a claim and, as long as its slot brings further ones, those. The first is run within the caller's own task; further ones get
    /// one of their own, so that a client waits for nobody else's task.
    pub(super) async fn run(self: Arc<Self>, lane: Arc<Lane>, claim: Claim, permit: Permit) {
        if let Some((claim, permit)) = self.run_once(&lane, claim, permit).await {
            let tasks = self.tasks.clone();
            tasks.spawn(async move {
                let mut next = Some((claim, permit));
                while let Some((claim, permit)) = next {
                    next = self.run_once(&lane, claim, permit).await;
                }
            });
        }
    }

    async fn run_once(self: &Arc<Self>, lane: &Arc<Lane>, claim: Claim, permit: Permit) -> Option<(Claim, Permit)> {
        let stopped = self.flights.claimed(&claim.lease);
        let waiter = Waiter {
            spec: Arc::clone(&claim.spec),
            priority: claim.priority,
            attempts: claim.attempts,
            excluded: exclusion(&claim),
        };
        let decision = self.rank(lane, &waiter).await;
        if decision.workers.is_empty() {
            let wait = !decision.deserted || waiter.excluded.is_some();
            self.put_back(lane, &claim, permit, wait.then_some(waiter)).await;
            return None;
        }
        match permit.reserve(decision.workers.iter().copied()) {
            Ok(reservation) => self.attempt(lane, claim, reservation, decision.took, stopped).await,
            Err(permit) => {
                self.put_back(lane, &claim, permit, None).await;
                None
            }
        }
    }

    /// Asks the policy where a task should go.
    pub(super) async fn rank(&self, lane: &Lane, waiter: &Waiter) -> Decided {
        let mut candidates = lane.columns();
        lane.slots.candidates(waiter.excluded.as_ref(), &mut candidates);
        if candidates.is_empty() {
            lane.reuse(candidates);
            return Decided { workers: Vec::new(), took: Duration::ZERO, deserted: true };
        }
        let began = Instant::now();
        let context = self.context(lane, waiter);
        let ranking = self.policy.rank(&context, &candidates).await;
        let workers: Vec<WorkerId> = ranking
            .rows
            .iter()
            .filter_map(|row| candidates.worker.get(*row as usize))
            .map(|id| WorkerId(*id))
            .collect();
        lane.reuse(candidates);
        self.decisions.decided(workers.is_empty());
        Decided { workers, took: began.elapsed(), deserted: false }
    }

    fn context(&self, lane: &Lane, waiter: &Waiter) -> RankContext {
        let spec = &waiter.spec;
        let now = self.clock.now();
        let text_hash = |text: &Option<Arc<str>>| text.as_deref().map_or(0, stable_hash);
        #[expect(clippy::cast_possible_truncation, reason = "the upper half is as good as the whole")]
        let function = (stable_hash(&spec.function) >> 32) as u32;
        RankContext {
            lane: lane.number,
            function,
            priority: Priority::rank(waiter.priority),
            attempt: waiter.attempts + 1,
            mode: spec.mode,
            age_ms: u64::try_from(now.since(spec.created_at).as_millis()).unwrap_or(u64::MAX),
            body_bytes: spec.body.len() as u64,
            key_hash: text_hash(&spec.options.key),
            tenant_hash: text_hash(&spec.options.tenant),
            now_ms: u64::try_from(now.as_millis()).unwrap_or(0),
            seed: self.chance.number(),
            tried: 0,
        }
    }

    /// Gives a claim back unused; a task that is to wait is set aside first, so that it is not claimed again at once.
    async fn put_back(&self, lane: &Arc<Lane>, claim: &Claim, permit: Permit, wait: Option<Waiter>) {
        if let Some(waiter) = wait {
            lane.aside.push(waiter);
        } else {
            self.metrics.claim_returned();
        }
        if let Err(error) = self.queue.release(&claim.lease, false).await {
            lane.aside.remove(claim.spec.id);
            tracing::warn!(task = %claim.spec.id, %error, "cannot give a claim back: its lease will run out");
        }
        self.flights.landed(&claim.lease, None);
        drop(permit);
        lane.wake();
    }

    async fn attempt(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        claim: Claim,
        reservation: Reservation,
        policy: Duration,
        mut stopped: oneshot::Receiver<StopReason>,
    ) -> Option<(Claim, Permit)> {
        let spec = &claim.spec;
        let started_at = self.clock.now();
        let delivered = Instant::now();
        let attempt = Attempt {
            n: claim.attempts + 1,
            worker: Arc::clone(reservation.address().url()),
            started_at,
            ended_at: None,
            outcome: None,
            status: None,
        };
        let timing = Timing { queue: started_at.since(spec.created_at), policy, worker: Duration::ZERO };
        if claim.attempts == 0 {
            self.metrics.delivered_first(timing.queue);
        }
        self.flights.delivered(spec.id, attempt.clone());
        let mut run = Attempted { attempt, timing, delivered };

        let limit = self.attempt_limit(spec);
        let last = claim.attempts + 1 >= self.attempts_allowed(spec);
        let uri = reservation.address().task_uri().clone();
        let mut exchange = Exchange::new(self, spec, timing, last);
        let end = tokio::select! {
            biased;
            reason = &mut stopped => ExchangeEnd::Stopped(reason.unwrap_or(StopReason::Shutdown)),
            end = tokio::time::timeout(limit, exchange.converse(self, uri)) => end.unwrap_or(ExchangeEnd::TimedOut),
        };
        run.attempt.ended_at = Some(self.clock.now());
        run.timing.worker = run.delivered.elapsed();
        self.conclude(lane, claim, reservation, exchange, run, end).await
    }

    /// The limit of an attempt; a client that waits does not wait beyond its own deadline.
    fn attempt_limit(&self, spec: &TaskSpec) -> Duration {
        let limit = spec.options.timeout.unwrap_or(self.settings.tasks.timeout);
        if spec.mode.client_waits() { limit.min(self.client_deadline(spec).since(self.clock.now())) } else { limit }
    }

    fn attempts_allowed(&self, spec: &TaskSpec) -> u32 {
        spec.options.attempts.unwrap_or(self.settings.tasks.attempts)
    }

    async fn conclude(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        claim: Claim,
        reservation: Reservation,
        mut exchange: Exchange,
        mut run: Attempted,
        end: ExchangeEnd,
    ) -> Option<(Claim, Permit)> {
        let worker = reservation.worker();
        let ended_at = run.attempt.ended_at.unwrap_or_else(|| self.clock.now());
        let attempt_end = match end {
            ExchangeEnd::Stopped(reason) => {
                reservation.hold(Verdict::Neutral);
                lane.aside.changed();
                self.stop_run(lane, &claim, run, reason).await;
                return None;
            }
            ExchangeEnd::Unreachable(error) => {
                tracing::info!(task = %claim.spec.id, worker = %run.attempt.worker, %error, "cannot reach the worker");
                reservation.unreachable();
                self.probe.probe_now(worker);
                self.give_back_unrun(lane, &claim).await;
                return None;
            }
            ExchangeEnd::ClientGone => {
                reservation.hold(Verdict::Neutral);
                self.stop_run(lane, &claim, run, StopReason::ClientGone).await;
                return None;
            }
            ExchangeEnd::Answered => AttemptEnd::Answered {
                status: exchange.status(),
                body: exchange.collected(),
                retry_after: exchange.retry_after(),
            },
            ExchangeEnd::Broken => AttemptEnd::Broken,
            ExchangeEnd::TimedOut => AttemptEnd::TimedOut,
        };

        // What the worker is to be thought of, and what becomes of its slot.
        let exclusion = Exclusion { worker: Arc::clone(&run.attempt.worker), since: ended_at };
        let freed = match &attempt_end {
            AttemptEnd::Answered { status, .. } if *status < 500 && *status != 429 => {
                reservation.finish(Verdict::Good(run.timing.worker))
            }
            AttemptEnd::Answered { .. } => {
                let freed = reservation.finish(Verdict::Bad(ended_at));
                self.probe.probe_now(worker);
                freed
            }
            AttemptEnd::Broken => {
                reservation.hold(Verdict::Bad(ended_at));
                lane.slots.suspect(worker);
                self.probe.probe_now(worker);
                None
            }
            AttemptEnd::TimedOut => {
                reservation.hold(Verdict::Bad(ended_at));
                self.probe.probe_now(worker);
                None
            }
        };

        let spec = Arc::clone(&claim.spec);
        let circumstances = Circumstances {
            used: run.attempt.n,
            allowed: self.attempts_allowed(&spec),
            passed_on: exchange.has_passed_on(),
            client_waits: spec.mode.client_waits(),
            other_worker: lane.slots.has_other(&exclusion),
        };
        run.attempt.outcome = Some(outcome(&attempt_end));
        run.attempt.status = match attempt_end {
            AttemptEnd::Answered { status, .. } => Some(status),
            _ => None,
        };
        self.metrics.attempt(run.attempt.outcome.unwrap_or(AttemptOutcome::Failed));
        let decision = judge(&attempt_end, circumstances);
        let settlement = self.settlement(&spec, decision, &attempt_end, &exchange, run.attempt.clone());

        let (settled, next) = self.settle(lane, &claim.lease, settlement.clone(), freed).await;
        exchange.close(self);
        match settled {
            Ok(Settled::Ended) => {
                let answer = exchange.into_answer(run.timing);
                self.ended_run(&spec, &settlement, answer);
            }
            Ok(Settled::Waits(waiting)) => {
                self.flights.landed(&claim.lease, exchange.into_answer(run.timing));
                if waiting == Waiting::Now {
                    lane.wake();
                }
            }
            Err(error) => self.settle_failed(&claim.lease, &error),
        }
        next
    }

    fn settlement(
        &self,
        spec: &TaskSpec,
        decision: Decision,
        end: &AttemptEnd<'_>,
        exchange: &Exchange,
        attempt: Attempt,
    ) -> Settlement {
        match decision {
            Decision::Complete => Settlement::Complete { attempt, result: exchange.stored() },
            Decision::RetryNow => Settlement::Retry { attempt, at: None },
            Decision::RetryLater { retry_after } => {
                let limits = &self.settings.tasks;
                let chance = self.chance.fraction();
                let wait = backoff(attempt.n, limits.backoff, limits.backoff_max, retry_after, chance);
                Settlement::Retry { attempt, at: Some(self.clock.now().after(wait)) }
            }
            Decision::Fail(code) => {
                let (error, result) = match end {
                    AttemptEnd::Answered { status, body, .. } => {
                        let text = error_text(body).unwrap_or_else(|| format!("The worker answered {status}"));
                        (text, Some(exchange.stored()))
                    }
                    AttemptEnd::Broken => (exchange.broken_text(), None),
                    AttemptEnd::TimedOut => (Refusal::timeout(self.attempt_limit_shown(spec)).message, None),
                };
                Settlement::Fail { attempt: Some(attempt), error: error.into(), code, result }
            }
        }
    }

    fn attempt_limit_shown(&self, spec: &TaskSpec) -> Duration {
        spec.options.timeout.unwrap_or(self.settings.tasks.timeout)
    }

    /// Settles; a slot that came free carries the next claim of the lane, in the same step.
    async fn settle(
        &self,
        lane: &Arc<Lane>,
        lease: &Lease,
        settlement: Settlement,
        freed: Option<Permit>,
    ) -> (Result<Settled, QueueError>, Option<(Claim, Permit)>) {
        let carry = freed.filter(|_| !self.is_draining() && lane.aside.is_empty());
        if let Some(permit) = carry {
            let request = self.claim_request();
            let (settled, claimed) = self.queue.settle_and_claim(lease, settlement.clone(), request.clone()).await;
            let settled = match settled {
                Err(QueueError::Unavailable(_)) => self.settle_until_clear(lease, settlement).await,
                settled => settled,
            };
            let next = match claimed {
                Ok(Some(claim)) => Some((claim, permit)),
                Ok(None) => None,
                Err(_) => {
                    drop(permit);
                    lane.wake();
                    None
                }
            };
            return (settled, next);
        }
        // The slot is offered to the tasks set aside before the lane's head.
        if !lane.aside.is_empty() {
            lane.aside.changed();
            lane.wake();
        }
        (self.settle_until_clear(lease, settlement).await, None)
    }

    async fn settle_until_clear(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        let mut pause = SETTLE_PAUSE;
        for _ in 0..SETTLE_TRIES {
            match self.queue.settle(lease, settlement.clone()).await {
                Err(QueueError::Unavailable(error)) => {
                    tracing::warn!(task = %lease.task, %error, "cannot settle yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(SETTLE_PAUSE_MAX);
                }
                clear => return clear,
            }
        }
        Err(QueueError::Unavailable("settlement given up".to_owned()))
    }

    /// A connection never opened: the claim goes back, no attempt used.
    async fn give_back_unrun(&self, lane: &Arc<Lane>, claim: &Claim) {
        self.metrics.claim_returned();
        if let Err(error) = self.queue.release(&claim.lease, false).await {
            tracing::warn!(task = %claim.spec.id, %error, "cannot give a claim back: its lease will run out");
        }
        self.flights.landed(&claim.lease, None);
        lane.wake();
    }

    /// A run was told to stop.
    async fn stop_run(&self, lane: &Arc<Lane>, claim: &Claim, mut run: Attempted, reason: StopReason) {
        let spec = &claim.spec;
        let (code, text) = match reason {
            StopReason::LeaseLost => {
                self.settle_failed(&claim.lease, &QueueError::LeaseLost);
                return;
            }
            StopReason::Shutdown => {
                self.interrupt(claim).await;
                return;
            }
            StopReason::Cancelled => (ErrorCode::Cancelled, "The task was cancelled"),
            StopReason::ClientGone => (ErrorCode::ClientGone, "The client closed its connection"),
        };
        run.attempt.outcome = Some(AttemptOutcome::Cancelled);
        self.metrics.attempt(AttemptOutcome::Cancelled);
        let settlement = Settlement::Cancel { attempt: Some(run.attempt), error: text.into(), code };
        match self.settle_until_clear(&claim.lease, settlement.clone()).await {
            Ok(_) => self.ended_run(spec, &settlement, None),
            Err(error) => self.settle_failed(&claim.lease, &error),
        }
        if !lane.aside.is_empty() {
            lane.wake();
        }
    }

    /// The balancer stops while the task runs.
    async fn interrupt(&self, claim: &Claim) {
        self.metrics.interrupted();
        self.metrics.attempt(AttemptOutcome::Interrupted);
        let released = self.queue.release(&claim.lease, true).await;
        let refusal = match released {
            Ok(Released::Failed) => Refusal::new(ErrorCode::Interrupted, "The task was interrupted"),
            Ok(Released::Waits) => Refusal::shutting_down(),
            Err(error) => {
                tracing::warn!(task = %claim.spec.id, %error, "cannot give a task back at shutdown: its lease will run out");
                Refusal::shutting_down()
            }
        };
        let id = claim.spec.id;
        self.flights.ended(id, |_| Reply::Refused(refusal.of(id)));
    }

    fn settle_failed(&self, lease: &Lease, error: &QueueError) {
        if *error == QueueError::LeaseLost {
            self.metrics.lease_lost();
            tracing::warn!(task = %lease.task, token = lease.token, "lease lost: a late end of this run was refused");
        } else {
            tracing::error!(task = %lease.task, %error, "cannot settle: the task will run again when its lease has run out");
        }
        self.flights.landed(lease, None);
    }

    /// A task has ended with a run: its client and everybody who waits for it is told.
    fn ended_run(&self, spec: &TaskSpec, settlement: &Settlement, answer: Option<Reply>) {
        let (state, code) = (settlement.state(), ending_code(settlement));
        self.metrics.finished(state, code, spec.mode, self.clock.now().since(spec.created_at));
        tracing::debug!(task = %spec.id, lane = %spec.lane, state = state.word(), code = code.map(ErrorCode::word), "ended");
        let id = spec.id;
        self.flights.ended(id, |last_answer| {
            answer.or_else(|| last_answer.filter(|_| code == Some(ErrorCode::WorkerUnreachable))).unwrap_or_else(|| {
                let (code, error) = match settlement {
                    Settlement::Fail { error, code, .. } | Settlement::Cancel { error, code, .. } => {
                        (*code, error.to_string())
                    }
                    Settlement::Complete { .. } | Settlement::Retry { .. } => {
                        (ErrorCode::Internal, "No answer".to_owned())
                    }
                };
                Reply::Refused(Refusal::new(code, error).of(id))
            })
        });
    }

    /// A task has ended without a run: its client and everybody who waits for it is told.
    pub(super) fn ended_unrun(&self, spec: &TaskSpec, state: TaskState, refusal: &Refusal) {
        if let Some(lane) = self.known_lane(&spec.lane) {
            lane.aside.remove(spec.id);
        }
        self.metrics.finished(state, Some(refusal.code), spec.mode, self.clock.now().since(spec.created_at));
        tracing::debug!(task = %spec.id, lane = %spec.lane, state = state.word(), code = refusal.code.word(), "ended");
        self.flights.ended(spec.id, |last| match last {
            Some(answer) if refusal.code == ErrorCode::Expired => answer,
            _ => Reply::Refused(refusal.clone().of(spec.id)),
        });
    }
}

/// The worker that a retry must not go to again yet.
fn exclusion(claim: &Claim) -> Option<Exclusion> {
    let last = claim.last_attempt.as_ref()?;
    Some(Exclusion { worker: Arc::clone(&last.worker), since: last.ended_at? })
}

fn ending_code(settlement: &Settlement) -> Option<ErrorCode> {
    match settlement {
        Settlement::Fail { code, .. } | Settlement::Cancel { code, .. } => Some(*code),
        Settlement::Complete { .. } | Settlement::Retry { .. } => None,
    }
}
