//! The task that looks after a lane: it claims whatever can run and is not carried on by a finished run.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Dispatcher;
use super::aside::Waiter;
use super::lane::Lane;
use crate::queue::QueueError;
use crate::task::LaneKey;
use crate::workers::Permit;

/// How long a lane must have been quiet before it may be forgotten.
const QUIET: Duration = Duration::from_mins(1);
/// How long to leave a queue alone that did not answer.
const QUEUE_PAUSE: Duration = Duration::from_millis(500);

/// What a look at the lane found.
enum Look {
    /// Nothing more can be claimed now.
    Done,
    /// The queue did not answer.
    QueueAway,
}

impl Dispatcher {
    /// Looks after a lane until the drain begins or the lane is forgotten.
    pub(super) async fn pump(self: Arc<Self>, lane: Arc<Lane>) {
        loop {
            let look = self.look(&lane).await;
            let now = Instant::now();
            let next = match look {
                Look::QueueAway => now + QUEUE_PAUSE,
                Look::Done => lane.aside.next_round(self.settings.policy_wait).unwrap_or(now + QUIET),
            };
            tokio::select! {
                biased;
                () = self.draining.cancelled() => return,
                () = lane.woken() => {}
                () = lane.slots.capacity() => lane.aside.changed(),
                () = tokio::time::sleep_until(next) => {
                    if lane.aside.is_empty() && self.retire(&lane).await {
                        return;
                    }
                }
            }
        }
    }

    /// Claims what can be claimed: first what was set aside and is due to be asked for, then the head of the lane.
    async fn look(self: &Arc<Self>, lane: &Arc<Lane>) -> Look {
        let due = lane.aside.next_round(self.settings.policy_wait).is_some_and(|at| at <= Instant::now());
        if due {
            for waiter in lane.aside.begin_round() {
                let Some(permit) = lane.slots.try_permit() else { return Look::Done };
                if self.offer(lane, &waiter, permit).await.is_err() {
                    return Look::QueueAway;
                }
            }
        }
        // Without the check a lane whose tasks all wait would be claimed and given back from one end to the other.
        while !self.is_draining() && !lane.aside.is_full() {
            let Some(permit) = lane.slots.try_permit() else { return Look::Done };
            let mut request = self.claim_request();
            request.skip = lane.aside.ids();
            match self.claim(lane.key(), &request).await {
                Ok(Some(claim)) => drop(self.tasks.spawn(Arc::clone(self).run(Arc::clone(lane), claim, permit))),
                Ok(None) => return Look::Done,
                Err(error) => {
                    tracing::warn!(lane = %lane.key(), %error, "cannot claim");
                    return Look::QueueAway;
                }
            }
        }
        Look::Done
    }

    /// Asks the policy again for a task that was set aside, without a claim; claims it if the answer is no more *wait*.
    async fn offer(self: &Arc<Self>, lane: &Arc<Lane>, waiter: &Waiter, permit: Permit) -> Result<(), QueueError> {
        let decision = self.rank(lane, waiter).await;
        if decision.is_wait() {
            return Ok(());
        }
        let claim = self.claim_task(waiter.spec.id, &self.claim_request()).await?;
        lane.aside.remove(waiter.spec.id);
        if let Some(claim) = claim {
            self.tasks.spawn(Arc::clone(self).run_decided(Arc::clone(lane), claim, permit, Some(decision)));
        }
        Ok(())
    }

    /// Forgets a quiet lane without workers and tasks. `false` if it is needed after all.
    async fn retire(self: &Arc<Self>, lane: &Arc<Lane>) -> bool {
        if !self.has_no_waiting(lane.key()).await || !self.retire_lane(lane) {
            return false;
        }
        self.slots.forget_unused(&lane.slots);
        // A task may have come in between the look and the farewell: then the lane begins anew, with a pump of its own.
        if !self.has_no_waiting(lane.key()).await {
            self.lane(lane.key());
        }
        true
    }

    async fn has_no_waiting(&self, lane: &LaneKey) -> bool {
        let counts = self.queue.lane_counts(lane).await;
        counts.is_ok_and(|lane| lane.counts.queued + lane.counts.delayed + lane.counts.running == 0)
    }
}
