//! Endings: who is told of them, and runs that are told to end.

use std::sync::Arc;

use super::flights::StopReason;
use super::lane::Lane;
use super::repeat::{BRIEF, until_clear};
use super::run::Attempted;
use super::{Dispatcher, Refusal, Reply, TaskEvent};
use crate::queue::{Claim, QueueError, Released, Settlement};
use crate::task::{Attempt, AttemptOutcome, ErrorCode, TaskSpec, TaskState};
use crate::workers::{Permit, Reservation, Verdict};

impl Dispatcher {
    /// A run was told to stop.
    pub(super) async fn stop_run(&self, lane: &Arc<Lane>, claim: &Claim, run: Option<Attempted>, reason: StopReason) {
        let refusal = match reason {
            StopReason::LeaseLost => {
                self.settle_failed(&claim.lease, &QueueError::LeaseLost);
                return;
            }
            StopReason::Shutdown => {
                self.interrupt(claim).await;
                return;
            }
            StopReason::Cancelled => Refusal::cancelled(),
            StopReason::ClientGone => Refusal::client_gone(),
        };
        let attempt = run.map(|run| Attempt { outcome: Some(AttemptOutcome::Cancelled), ..run.attempt });
        if attempt.is_some() {
            self.metrics.attempt(AttemptOutcome::Cancelled);
        }
        let settlement = refusal.cancellation(attempt);
        let news = self.events.prepare(|| TaskEvent::concluded(claim, &settlement, self.clock.now()));
        match self.settle_until_clear(&claim.lease, settlement.clone()).await {
            Ok(_) => {
                news.tell();
                self.ended_run(claim, &settlement, None);
            }
            Err(error) => self.settle_failed(&claim.lease, &error),
        }
        if !lane.aside.is_empty() {
            lane.wake();
        }
    }

    /// The client's patience has ended before its task could be sent.
    pub(super) async fn expire_unrun(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        claim: &Claim,
        reservation: Reservation,
    ) -> Option<(Claim, Permit)> {
        let freed = reservation.finish(Verdict::Neutral);
        let refusal = Refusal::timeout(self.time_limit(&claim.spec.options));
        self.end_unsent(lane, claim, refusal.cancellation(None), freed).await
    }

    /// No worker would take the task: nobody knows its key any more.
    pub(super) async fn fail_unreadable(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        claim: &Claim,
        permit: Permit,
    ) -> Option<(Claim, Permit)> {
        self.unreadable_told.call_once(|| {
            tracing::warn!(
                task = %claim.spec.id,
                "LB_AUTH_KEY was changed: tasks stored before fail with credential_unreadable unless LB_AUTH_KEY_PREVIOUS is set"
            );
        });
        let refusal = Refusal::credential_unreadable();
        let settlement =
            Settlement::Fail { attempt: None, error: refusal.message.into(), code: refusal.code, result: None };
        self.end_unsent(lane, claim, settlement, Some(permit)).await
    }

    /// Ends a claim that was not sent to a worker; its slot carries on.
    pub(super) async fn end_unsent(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        claim: &Claim,
        settlement: Settlement,
        freed: Option<Permit>,
    ) -> Option<(Claim, Permit)> {
        let (settled, next) = self.settle(lane, claim, &settlement, freed).await;
        match settled {
            Ok(_) => self.ended_run(claim, &settlement, None),
            Err(error) => self.settle_failed(&claim.lease, &error),
        }
        next
    }

    /// The balancer stops while the task runs.
    async fn interrupt(&self, claim: &Claim) {
        self.metrics.interrupted();
        self.metrics.attempt(AttemptOutcome::Interrupted);
        let released = until_clear(BRIEF, |_| self.queue.release(&claim.lease, true)).await;
        let refusal = match released.answer {
            Err(QueueError::LeaseLost) if released.repeated => Refusal::shutting_down(),
            Ok(Released::Failed) => {
                self.notices.failed(&claim.spec);
                Refusal::new(ErrorCode::Interrupted, "The task was interrupted")
            }
            Ok(Released::Waits) => Refusal::shutting_down(),
            Err(error) => {
                tracing::warn!(task = %claim.spec.id, %error, "cannot give a task back at shutdown: its lease will run out");
                Refusal::shutting_down()
            }
        };
        let id = claim.spec.id;
        self.flights.ended(id, Some(claim.lease.token), |_| Reply::Refused(refusal.of(id)));
    }

    /// A task has ended with a run: its client and everybody who waits for it is told.
    pub(super) fn ended_run(&self, claim: &Claim, settlement: &Settlement, answer: Option<Reply>) {
        let spec = &claim.spec;
        let (state, code) = (settlement.state(), settlement.code());
        self.metrics.finished(state, code, spec.mode, self.clock.now().since(spec.created_at));
        self.metrics.lane_ended(&spec.lane, state, settlement.attempt().and_then(Attempt::took));
        tracing::debug!(task = %spec.id, lane = %spec.lane, state = state.word(), code = code.map(ErrorCode::word), "ended");
        if state == TaskState::Failed {
            self.notices.failed(spec);
        }
        let id = spec.id;
        self.flights.ended(id, Some(claim.lease.token), |last_answer| {
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
        self.metrics.lane_ended(&spec.lane, state, None);
        tracing::debug!(task = %spec.id, lane = %spec.lane, state = state.word(), code = refusal.code.word(), "ended");
        if state == TaskState::Failed {
            self.notices.failed(spec);
        }
        self.flights.ended(spec.id, None, |last| match last {
            Some(answer) if refusal.code == ErrorCode::Expired => answer,
            _ => Reply::Refused(refusal.clone().of(spec.id)),
        });
    }
}
