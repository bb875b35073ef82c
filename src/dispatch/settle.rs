//! Settling claims, and what to do when that fails.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::flights::StopReason;
use super::lane::Lane;
use super::repeat::{PATIENT, until_clear};
use super::{Dispatcher, TaskEvent};
use crate::queue::{Claim, Lease, QueueError, Settled, Settlement};
use crate::workers::Permit;

impl Dispatcher {
    /// Settles; a slot that came free carries the next claim of the lane, in the same step.
    pub(super) async fn settle(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        claim: &Claim,
        settlement: &Settlement,
        freed: Option<Permit>,
    ) -> (Result<Settled, QueueError>, Option<(Claim, Permit)>) {
        let news = self.events.prepare(|| TaskEvent::concluded(claim, settlement, self.clock.now()));
        let (settled, next) = self.settle_and_carry_on(lane, &claim.lease, settlement.clone(), freed).await;
        if settled.is_ok() {
            news.tell();
        }
        (settled, next)
    }

    async fn settle_and_carry_on(
        self: &Arc<Self>,
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
                Err(QueueError::Unavailable(_) | QueueError::Away(_)) => {
                    Box::pin(self.settle_until_clear(lease, settlement)).await
                }
                settled => settled,
            };
            let next = match claimed {
                Ok(Some(claim)) => Some((claim, permit)),
                Ok(None) => None,
                Err(QueueError::Unavailable(_)) => {
                    self.tasks.spawn(Arc::clone(self).claim_after_all(Arc::clone(lane), request, permit));
                    None
                }
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
        (Box::pin(self.settle_until_clear(lease, settlement)).await, None)
    }

    pub(super) async fn settle_until_clear(
        &self,
        lease: &Lease,
        settlement: Settlement,
    ) -> Result<Settled, QueueError> {
        until_clear(PATIENT, |_| self.queue.settle(lease, settlement.clone())).await.answer
    }

    /// Gives a claim back, no attempt used. A run that was told to stop meanwhile stops instead. `false` if the task does not wait
    /// in its lane afterwards.
    pub(super) async fn give_back(
        &self,
        lane: &Arc<Lane>,
        claim: &Claim,
        delivered: bool,
        stopped: &mut oneshot::Receiver<StopReason>,
    ) -> bool {
        // From here on nobody tells this run to stop: whoever wants to finds the task waiting.
        self.flights.landed(&claim.lease, None);
        if let Ok(reason) = stopped.try_recv() {
            self.stop_run(lane, claim, None, reason).await;
            return false;
        }
        // One that was claimed and not sent has not been told of as running.
        let news = delivered.then(|| self.events.prepare(|| TaskEvent::returned(claim, self.clock.now())));
        let released = until_clear(PATIENT, |_| self.queue.release(&claim.lease, false)).await;
        // After a lost lease: an earlier try has given it back.
        let by_earlier_try = released.repeated && released.answer == Err(QueueError::LeaseLost);
        match released.answer {
            Err(_) if by_earlier_try => true,
            Ok(_) => {
                if let Some(news) = news {
                    news.tell();
                }
                true
            }
            Err(error) => {
                tracing::warn!(task = %claim.spec.id, %error, "cannot give a claim back: its lease will run out");
                false
            }
        }
    }

    /// A settlement did not get through: the task is somebody else's by now, or will be.
    pub(super) fn settle_failed(&self, lease: &Lease, error: &QueueError) {
        if *error == QueueError::LeaseLost {
            self.metrics.lease_lost();
            tracing::warn!(task = %lease.task, token = lease.token, "lease lost: a late end of this run was refused");
        } else {
            tracing::error!(task = %lease.task, %error, "cannot settle: the task will run again when its lease has run out");
        }
        self.flights.landed(lease, None);
    }
}
