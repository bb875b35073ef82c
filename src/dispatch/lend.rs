//! A stream claimed here whose client is at another balancer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::aside::Waiter;
use super::flights::StopReason;
use super::lane::Lane;
use super::loans::{Answer, Loan, LoanNews, What};
use super::repeat::{BRIEF, until_clear};
use super::{Dispatcher, Refusal, TaskEvent};
use crate::queue::{Claim, Lease, QueueError};
use crate::task::Choice;
use crate::workers::{Reservation, SlotEnd, Verdict};

/// How long the owner has to take a stream over.
const OFFER_LIMIT: Duration = Duration::from_secs(1);
/// The owner may not have heard: it is told again.
const OFFER_AGAIN: Duration = Duration::from_millis(250);

/// What an offer came to.
enum Offered {
    Answered(Answer),
    /// The run was told to stop, or for want of an answer is to.
    Stop(StopReason),
}

impl Dispatcher {
    /// Hands a claim and the slot reserved for it over to the balancer that has the task's client, and keeps the slot until the run there
    /// is over. If that one does not take it, its client is gone: the task is cancelled.
    pub(super) async fn lend(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        claim: &Claim,
        waiter: Waiter,
        reservation: Reservation,
        why: Arc<Choice>,
        mut stopped: oneshot::Receiver<StopReason>,
    ) {
        let lease = &claim.lease;
        let mut loan = self.loans.open(lease);
        let worker = Arc::clone(reservation.address().url());
        let offer = LoanNews::new(lease, What::Offer { worker, why });
        let end = match self.offer_to_owner(&offer, &mut loan, &mut stopped).await {
            Offered::Answered(Answer::Returned(end)) => end,
            Offered::Answered(Answer::Declined) => {
                // Asked for again later: the policy may choose another worker by then, or the owner have a slot.
                let permit = reservation.finish(Verdict::Neutral);
                self.put_back(lane, claim, permit, Some(waiter), &mut stopped).await;
                return;
            }
            Offered::Stop(reason) if self.end_untaken(claim, reason).await => SlotEnd::Free,
            Offered::Stop(reason) => {
                tracing::debug!(task = %lease.task, "a stream was taken over by the balancer of its client");
                self.flights.landed(lease, None);
                if reason == StopReason::Cancelled
                    && let Err(error) = until_clear(BRIEF, |_| self.queue.ask_to_stop(lease.task)).await.answer
                {
                    tracing::warn!(task = %lease.task, %error, "cannot stop a stream that was handed over");
                }
                self.until_returned(lease, &mut loan).await
            }
        };
        self.flights.landed(lease, None);
        match end {
            SlotEnd::Free => drop(reservation.finish(Verdict::Neutral)),
            SlotEnd::Held => reservation.hold(Verdict::Neutral),
            SlotEnd::Unreachable => {
                self.probe.suspect(reservation.worker());
                reservation.unreachable();
            }
        }
        lane.aside.changed();
        lane.wake();
    }

    /// Offers until there is an answer or the time is up. A stream that was taken over is known by that only when it ends within that time.
    async fn offer_to_owner(
        &self,
        offer: &LoanNews,
        loan: &mut Loan<'_>,
        stopped: &mut oneshot::Receiver<StopReason>,
    ) -> Offered {
        let until = Instant::now() + OFFER_LIMIT;
        let offers = async {
            loop {
                self.tell_of_loan(offer).await;
                tokio::time::sleep(OFFER_AGAIN).await;
            }
        };
        tokio::select! {
            biased;
            answer = &mut loan.answer => answer.map_or(Offered::Stop(StopReason::ClientGone), Offered::Answered),
            reason = stopped => Offered::Stop(reason.unwrap_or(StopReason::Shutdown)),
            () = tokio::time::sleep_until(until) => Offered::Stop(StopReason::ClientGone),
            () = offers => Offered::Stop(StopReason::ClientGone),
        }
    }

    /// Ends a claim that is offered. `false` if it is not there any more: the owner has taken it over.
    async fn end_untaken(&self, claim: &Claim, reason: StopReason) -> bool {
        let lease = &claim.lease;
        let refusal = match reason {
            StopReason::LeaseLost => return false,
            StopReason::Shutdown => {
                let released = until_clear(BRIEF, |_| self.queue.release(lease, false)).await;
                return released.answer != Err(QueueError::LeaseLost);
            }
            StopReason::Cancelled => Refusal::cancelled(),
            StopReason::ClientGone => Refusal::client_gone(),
        };
        let settlement = refusal.cancellation(None);
        let news = self.events.prepare(|| TaskEvent::concluded(claim, &settlement, self.clock.now()));
        match self.settle_until_clear(lease, settlement.clone()).await {
            Ok(_) => {
                news.tell();
                self.ended_run(claim, &settlement, None);
            }
            Err(QueueError::LeaseLost) => return false,
            Err(error) => self.settle_failed(lease, &error),
        }
        true
    }

    /// Waits for the end of the run at the owner; of an owner that dies that is when its lease has run out.
    async fn until_returned(&self, lease: &Lease, loan: &mut Loan<'_>) -> SlotEnd {
        let returned = |answer| if let Ok(Answer::Returned(end)) = answer { end } else { SlotEnd::Held };
        loop {
            tokio::select! {
                biased;
                answer = &mut loan.answer => return returned(answer),
                () = self.draining.cancelled() => return SlotEnd::Held,
                () = tokio::time::sleep(self.settings.lease / 3) => {}
            }
            if self.queue.is_taken_over(lease).await == Ok(false) {
                // What the owner says of the slot comes after the end.
                let late = tokio::time::timeout(OFFER_LIMIT, &mut loan.answer).await;
                return late.map_or(SlotEnd::Held, returned);
            }
        }
    }
}
