//! One claim, from its ranking to its settlement, and on to the next claim of the lane.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::aside::Waiter;
use super::exchange::{Exchange, ExchangeEnd};
use super::flights::StopReason;
use super::lane::Lane;
use super::rank::Decided;
use super::{Dispatcher, Refusal, TaskEvent, Timing};
use crate::queue::{Claim, Whereabouts};
use crate::task::{Attempt, Choice, TaskOptions, TaskSpec};
use crate::workers::{Exclusion, Permit, Reservation};

/// How a run stands between its delivery and its settlement.
pub(super) struct Attempted {
    pub(super) attempt: Attempt,
    pub(super) timing: Timing,
    pub(super) delivered: Instant,
    /// Says when the run is to stop.
    pub(super) stopped: oneshot::Receiver<StopReason>,
}

impl Dispatcher {
    /// Runs a claim and, as long as its slot brings further ones, those. The first is run within the caller's own task; further ones get
    /// one of their own, so that a client waits for nobody else's task.
    pub(super) async fn run(self: Arc<Self>, lane: Arc<Lane>, claim: Claim, permit: Permit) {
        self.run_decided(lane, claim, permit, None).await;
    }

    /// The same, for a claim that the policy has been asked about already.
    pub(super) async fn run_decided(
        self: Arc<Self>,
        lane: Arc<Lane>,
        claim: Claim,
        permit: Permit,
        decided: Option<Decided>,
    ) {
        if let Some((claim, permit)) = self.run_once(&lane, claim, permit, decided).await {
            let tasks = self.tasks.clone();
            tasks.spawn(async move {
                let mut next = Some((claim, permit));
                while let Some((claim, permit)) = next {
                    next = self.run_once(&lane, claim, permit, None).await;
                }
            });
        }
    }

    async fn run_once(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        claim: Claim,
        permit: Permit,
        decided: Option<Decided>,
    ) -> Option<(Claim, Permit)> {
        let mut stopped = self.flights.claimed(&claim.lease);
        if claim.client == Whereabouts::Gone {
            let gone = Refusal::client_gone().cancellation(None);
            return Box::pin(self.end_unsent(lane, &claim, gone, Some(permit))).await;
        }
        if !claim.spec.worker_key.is_readable() {
            return Box::pin(self.fail_unreadable(lane, &claim, permit)).await;
        }
        let waiter = Waiter {
            spec: Arc::clone(&claim.spec),
            priority: claim.priority,
            attempts: claim.used(),
            excluded: exclusion(&claim),
        };
        let decision = match decided {
            Some(decided) => decided,
            None => self.rank(lane, &waiter).await,
        };
        if decision.is_wait() {
            let wait = !decision.deserted || waiter.excluded.is_some();
            Box::pin(self.put_back(lane, &claim, Some(permit), wait.then_some(waiter), &mut stopped)).await;
            return None;
        }
        match permit.reserve(decision.workers()) {
            Ok(reservation) => {
                let why = Arc::new(decision.into_choice(reservation.rank()));
                if claim.client == Whereabouts::Elsewhere {
                    Box::pin(self.lend(lane, &claim, waiter, reservation, why, stopped)).await;
                    return None;
                }
                self.attempt(lane, claim, reservation, why, stopped).await
            }
            Err(permit) => {
                Box::pin(self.put_back(lane, &claim, Some(permit), None, &mut stopped)).await;
                None
            }
        }
    }

    /// Gives a claim back unused; a task that is to wait is set aside first, so that it is not claimed again at once.
    pub(super) async fn put_back(
        &self,
        lane: &Arc<Lane>,
        claim: &Claim,
        permit: Option<Permit>,
        wait: Option<Waiter>,
        stopped: &mut oneshot::Receiver<StopReason>,
    ) {
        if let Some(waiter) = wait {
            lane.aside.push(waiter);
        } else {
            self.metrics.claim_returned();
        }
        if !self.give_back(lane, claim, false, stopped).await {
            lane.aside.remove(claim.spec.id);
        }
        drop(permit);
        lane.wake();
    }

    /// Delivers a claim on the slot reserved for it; `why` it is that one. Gives the next claim of the lane if the slot carries one.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        claim: Claim,
        reservation: Reservation,
        why: Arc<Choice>,
        stopped: oneshot::Receiver<StopReason>,
    ) -> Option<(Claim, Permit)> {
        let spec = &claim.spec;
        let limit = self.attempt_limit(spec);
        if limit.is_zero() {
            return Box::pin(self.expire_unrun(lane, &claim, reservation)).await;
        }
        let policy = Duration::from_micros(u64::from(why.took_us));
        let started_at = self.clock.now();
        let delivered = Instant::now();
        let attempt = Attempt {
            n: claim.attempts + 1,
            worker: Arc::clone(reservation.address().url()),
            started_at,
            ended_at: None,
            outcome: None,
            status: None,
            why,
        };
        let timing = Timing { queue: started_at.since(spec.created_at), policy, worker: Duration::ZERO };
        self.flights.delivered(spec.id, attempt.clone());
        self.events.tell(|| TaskEvent::delivered(&claim, &attempt));
        let mut run = Attempted { attempt, timing, delivered, stopped };

        let last = claim.used() + 1 >= self.attempts_allowed(spec);
        let uri = reservation.address().task_uri().clone();
        let mut exchange = Exchange::new(self, spec, timing, last);
        let end = tokio::select! {
            biased;
            reason = &mut run.stopped => ExchangeEnd::Stopped(reason.unwrap_or(StopReason::Shutdown)),
            end = tokio::time::timeout(limit, exchange.converse(self, uri)) => end.unwrap_or(ExchangeEnd::TimedOut),
        };
        run.attempt.ended_at = Some(self.clock.now());
        run.timing.worker = run.delivered.elapsed();
        self.conclude(lane, claim, reservation, exchange, run, end).await
    }

    /// The limit of an attempt; a task that is bound to its client does not run beyond that one's deadline.
    fn attempt_limit(&self, spec: &TaskSpec) -> Duration {
        let limit = self.time_limit(&spec.options);
        if spec.is_bound_to_client() { limit.min(self.client_deadline(spec).since(self.clock.now())) } else { limit }
    }

    /// The time that a task's client, or else the settings, give an attempt.
    pub(super) fn time_limit(&self, options: &TaskOptions) -> Duration {
        options.timeout.unwrap_or(self.settings.tasks.timeout)
    }

    pub(super) fn attempts_allowed(&self, spec: &TaskSpec) -> u32 {
        spec.options.attempts.unwrap_or(self.settings.tasks.attempts)
    }
}

/// The worker that a retry must not go to again yet.
fn exclusion(claim: &Claim) -> Option<Exclusion> {
    let last = claim.last_attempt.as_ref()?;
    Some(Exclusion { worker: Arc::clone(&last.worker), since: last.ended_at? })
}
