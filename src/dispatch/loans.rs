//! What balancers that share a queue tell each other of streams that are handed over, and who waits to hear it.
//!
//! A stream runs at its *owner*, the balancer that has its client. Another one that has claimed it, the *lender*, offers the claim with a
//! slot that it has reserved; what the owner does with it, it does under a claim of its own that it has taken over from the lender's.
//! Nothing but that step counts: an offer that comes late or twice finds a claim that is not the present one, and does no harm.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Dispatcher;
use super::events::Message;
use super::repeat::{BRIEF, until_clear};
use crate::queue::Lease;
use crate::task::{Choice, TaskId, lane_name};
use crate::workers::SlotEnd;

/// What is told of a stream that is handed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LoanNews {
    lane: String,
    task: String,
    /// Of the lender's claim.
    token: u64,
    what: What,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum What {
    /// For the owner: a slot is reserved.
    Offer {
        /// The worker's address.
        worker: Arc<str>,
        /// Why it is that worker.
        why: Arc<Choice>,
    },
    /// For the lender: the owner may not use the slot, for it does not know that worker.
    Declined,
    /// For the lender: the run is over.
    Returned(SlotEnd),
}

/// What a lender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The owner does not know that worker.
    Declined,
    /// The run is over.
    Returned(SlotEnd),
}

/// The streams that this balancer hands over.
#[derive(Debug, Default)]
pub(super) struct Loans {
    open: Mutex<HashMap<(TaskId, u64), oneshot::Sender<Answer>>>,
}

/// A stream that is handed over; forgotten when this is dropped.
pub(super) struct Loan<'a> {
    loans: &'a Loans,
    key: (TaskId, u64),
    pub(super) answer: oneshot::Receiver<Answer>,
}

impl LoanNews {
    pub(super) fn new(lease: &Lease, what: What) -> Self {
        Self { lane: lane_name::of(&lease.lane), task: lease.task.to_string(), token: lease.token, what }
    }

    fn lease(&self) -> Option<Lease> {
        Some(Lease { task: self.task.parse().ok()?, lane: lane_name::parse(&self.lane)?, token: self.token })
    }
}

impl Loans {
    /// Begins to listen for what becomes of a claim that is handed over.
    pub(super) fn open(&self, lease: &Lease) -> Loan<'_> {
        let (sender, answer) = oneshot::channel();
        let key = (lease.task, lease.token);
        self.open.lock().insert(key, sender);
        Loan { loans: self, key, answer }
    }

    fn heard(&self, lease: &Lease, answer: Answer) {
        if let Some(loan) = self.open.lock().remove(&(lease.task, lease.token)) {
            // Whoever listened may have gone.
            let _ = loan.send(answer);
        }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.loans.open.lock().remove(&self.key);
    }
}

impl Dispatcher {
    /// Tells the other balancers of a loan. They need not hear it.
    pub(super) async fn tell_of_loan(&self, news: &LoanNews) {
        let text = Message::Loan(news.clone()).text();
        if let Err(error) = until_clear(BRIEF, |_| self.queue.tell_others(text.clone())).await.answer {
            tracing::debug!(%error, "cannot tell another balancer of a stream that is handed over");
        }
    }

    /// Another balancer tells of a loan.
    pub(super) fn hear_of_loan(self: &Arc<Self>, news: LoanNews) {
        let Some(lease) = news.lease() else { return };
        match news.what {
            What::Offer { worker, why } => {
                if self.flights.expects_reply(lease.task) {
                    self.tasks.spawn(Arc::clone(self).borrow(lease, worker, why));
                }
            }
            What::Declined => self.loans.heard(&lease, Answer::Declined),
            What::Returned(end) => self.loans.heard(&lease, Answer::Returned(end)),
        }
    }
}
