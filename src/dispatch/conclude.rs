//! What the end of an attempt means: for the worker, for the task, for the client.

use std::sync::Arc;

use super::backoff::backoff;
use super::exchange::{Exchange, ExchangeEnd};
use super::flights::StopReason;
use super::judge::{AttemptEnd, Circumstances, Decision, error_text, judge, outcome};
use super::lane::Lane;
use super::run::Attempted;
use super::{Dispatcher, Refusal};
use crate::policy::Outcome;
use crate::queue::{Claim, Settled, Settlement, Waiting};
use crate::task::{Attempt, AttemptOutcome, TaskSpec, number_of, stable_hash};
use crate::workers::{Exclusion, Permit, Reservation, Verdict, WorkerId};

impl Dispatcher {
    /// Settles an attempt that has ended; gives the next claim of the lane if the slot carries one.
    pub(super) async fn conclude(
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
                self.tell_policy(lane, &claim, worker, &run, AttemptOutcome::Cancelled);
                lane.aside.changed();
                Box::pin(self.stop_run(lane, &claim, Some(run), reason)).await;
                return None;
            }
            ExchangeEnd::Unreachable(error) => {
                tracing::info!(task = %claim.spec.id, worker = %run.attempt.worker, %error, "cannot reach the worker");
                reservation.unreachable();
                self.probe.suspect(worker);
                self.metrics.claim_returned();
                Box::pin(self.give_back(lane, &claim, true, &mut run.stopped)).await;
                lane.wake();
                return None;
            }
            ExchangeEnd::ClientGone => {
                reservation.hold(Verdict::Neutral);
                self.tell_policy(lane, &claim, worker, &run, AttemptOutcome::Cancelled);
                Box::pin(self.stop_run(lane, &claim, Some(run), StopReason::ClientGone)).await;
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
                self.probe.suspect(worker);
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
            used: claim.used() + 1,
            allowed: self.attempts_allowed(&spec),
            passed_on: exchange.has_passed_on(),
            client_waits: spec.mode.client_waits(),
            other_worker: lane.slots.has_other(&exclusion),
        };
        if run.attempt.n == 1 {
            // Only now it is known that the first delivery got through.
            self.metrics.delivered_first(run.timing.queue);
            self.metrics.lane_delivered(lane.key(), run.timing.queue);
        }
        run.attempt.outcome = Some(outcome(&attempt_end));
        run.attempt.status = match attempt_end {
            AttemptEnd::Answered { status, .. } => Some(status),
            _ => None,
        };
        let ending = run.attempt.outcome.unwrap_or(AttemptOutcome::Failed);
        self.metrics.attempt(ending);
        self.tell_policy(lane, &claim, worker, &run, ending);
        let decision = judge(&attempt_end, circumstances);
        let settlement =
            self.settlement(&spec, decision, &attempt_end, &exchange, run.attempt.clone(), circumstances.used);

        let (settled, next) = self.settle(lane, &claim, &settlement, freed).await;
        exchange.close(self);
        match settled {
            Ok(Settled::Ended) => {
                let answer = exchange.into_answer(run.timing);
                self.ended_run(&claim, &settlement, answer);
            }
            Ok(Settled::Waits(waiting)) => {
                self.flights.landed(&claim.lease, exchange.into_answer(run.timing));
                if waiting == Waiting::Now {
                    lane.wake();
                }
                // Told to stop too late for this run: the task must not have another.
                if let Ok(reason) = run.stopped.try_recv() {
                    self.tasks.spawn(Arc::clone(self).stop_waiting(spec, reason));
                }
            }
            Err(error) => self.settle_failed(&claim.lease, &error),
        }
        next
    }

    /// Lets the policy learn from the attempt.
    fn tell_policy(&self, lane: &Lane, claim: &Claim, worker: WorkerId, run: &Attempted, ending: AttemptOutcome) {
        self.policy.observe(lane.key(), || {
            let spec = &claim.spec;
            let hash = |text: &Option<Arc<str>>| text.as_deref().map_or(0, stable_hash);
            let ended_at = run.attempt.ended_at.unwrap_or_else(|| self.clock.now());
            Outcome {
                worker: worker.0,
                lane: lane.number,
                function: number_of(&spec.function),
                attempt: run.attempt.n,
                key_hash: hash(&spec.options.key),
                tenant_hash: hash(&spec.options.tenant),
                latency_ms: run.timing.worker.as_secs_f32() * 1_000.0,
                ending,
                status: run.attempt.status,
                ended_ms: u64::try_from(ended_at.as_millis()).unwrap_or(0),
            }
        });
    }

    fn settlement(
        &self,
        spec: &TaskSpec,
        decision: Decision,
        end: &AttemptEnd<'_>,
        exchange: &Exchange,
        attempt: Attempt,
        used: u32,
    ) -> Settlement {
        match decision {
            Decision::Complete => Settlement::Complete { attempt, result: exchange.stored() },
            Decision::RetryNow => Settlement::Retry { attempt, at: None },
            Decision::RetryLater { retry_after } => {
                let limits = &self.settings.tasks;
                let chance = self.chance.fraction();
                let wait = backoff(used, limits.backoff, limits.backoff_max, retry_after, chance);
                Settlement::Retry { attempt, at: Some(self.clock.now().after(wait)) }
            }
            Decision::Fail(code) => {
                let (error, result) = match end {
                    AttemptEnd::Answered { status, body, .. } => {
                        let text = error_text(body).unwrap_or_else(|| format!("The worker answered {status}"));
                        (text, Some(exchange.stored()))
                    }
                    AttemptEnd::Broken => (exchange.broken_text(), None),
                    AttemptEnd::TimedOut => (Refusal::timeout(self.time_limit(&spec.options)).message, None),
                };
                Settlement::Fail { attempt: Some(attempt), error: error.into(), code, result }
            }
        }
    }
}
