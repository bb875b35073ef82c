//! A stream of a client here that another balancer has claimed, and reserved a slot for.

use std::sync::Arc;

use super::Dispatcher;
use super::loans::{LoanNews, What};
use super::repeat::{BRIEF, again, until_clear};
use crate::queue::Lease;
use crate::task::Choice;
use crate::workers::SlotEnd;

impl Dispatcher {
    /// Takes up an offer: runs the stream on that worker, under a claim of its own, and tells the lender when the slot is free again. The
    /// client's key goes only to workers that are listed here too.
    pub(super) async fn borrow(self: Arc<Self>, offered: Lease, worker: Arc<str>, why: Arc<Choice>) {
        let lane = self.lane(&offered.lane);
        let Some((reservation, slot)) = lane.slots.borrow(&worker) else {
            self.unlisted_told.call_once(|| {
                tracing::warn!(%worker, task = %offered.task, "another balancer has a slot for a stream on a worker that is not listed here: all should list the same");
            });
            self.tell_of_loan(&LoanNews::new(&offered, What::Declined)).await;
            return;
        };
        let request = self.claim_request();
        let take_over = until_clear(BRIEF, |repeat| self.queue.take_over(&offered, again(&request, repeat)));
        let claim = match take_over.await.answer {
            Ok(claim) => claim,
            Err(error) => {
                // Most often an offer made twice.
                tracing::debug!(task = %offered.task, %error, "an offer is not taken up");
                return;
            }
        };
        tracing::debug!(task = %offered.task, %worker, "runs on a slot of another balancer");
        let stopped = self.flights.claimed(&claim.lease);
        let carried_on = self.attempt(&lane, claim, reservation, why, stopped).await;
        debug_assert!(carried_on.is_none(), "a slot that is not ours carries nothing on");
        let end = slot.await.unwrap_or(SlotEnd::Held);
        self.tell_of_loan(&LoanNews::new(&offered, What::Returned(end))).await;
    }
}
