//! Calls of the queue are repeated until their outcome is clear: what is unclear may have been done all the same.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Dispatcher;
use super::lane::Lane;
use crate::queue::{Cancelled, Claim, ClaimRequest, QueueError, Settlement};
use crate::task::{LaneKey, TaskId};
use crate::workers::Permit;

/// Tries of a call that somebody waits for: a third of a second.
pub(super) const BRIEF: u32 = 4;
/// Tries of a call that a claim or an ending hangs on: nearly a minute.
pub(super) const PATIENT: u32 = 60;
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What a call came to.
pub(super) struct Outcome<T> {
    pub(super) answer: Result<T, QueueError>,
    /// Whether a try before the last one was unclear: that one may have done what the answer speaks of.
    pub(super) repeated: bool,
}

/// Calls until the outcome is clear, with growing pauses; the call is told whether it is a repeat. After so many tries it stays unclear.
pub(super) async fn until_clear<T, F>(tries: u32, mut call: impl FnMut(bool) -> F) -> Outcome<T>
where
    F: Future<Output = Result<T, QueueError>>,
{
    let (mut n, mut pause, mut unclear) = (0, PAUSE, false);
    loop {
        let answer = call(n > 0).await;
        n += 1;
        let error = match answer {
            Err(error @ QueueError::Unavailable(_)) => error,
            // The queue has waited already: only what must not be lost waits on.
            Err(error @ QueueError::Away(_)) if tries > BRIEF => error,
            Err(QueueError::Away(error)) if unclear => {
                return Outcome { answer: Err(QueueError::Unavailable(error)), repeated: true };
            }
            answer => return Outcome { answer, repeated: unclear },
        };
        if n >= tries {
            return Outcome { answer: Err(error), repeated: unclear };
        }
        unclear |= matches!(error, QueueError::Unavailable(_));
        tracing::warn!(%error, "the queue does not answer yet");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

impl Dispatcher {
    /// Claims the head of a lane.
    pub(super) async fn claim(&self, lane: &LaneKey, request: &ClaimRequest) -> Result<Option<Claim>, QueueError> {
        until_clear(PATIENT, |repeat| self.queue.claim(lane, again(request, repeat))).await.answer
    }

    /// Claims a task, if it is still queued.
    pub(super) async fn claim_task(&self, id: TaskId, request: &ClaimRequest) -> Result<Option<Claim>, QueueError> {
        until_clear(PATIENT, |repeat| self.queue.claim_task(id, again(request, repeat))).await.answer
    }

    /// Runs what a claim has taken whose outcome is unclear: else it would be nobody's until its lease has run out.
    ///
    /// Boxed, for it is a run that ends with it, and it that ends with a run.
    pub(super) fn claim_after_all(
        self: Arc<Self>,
        lane: Arc<Lane>,
        mut request: ClaimRequest,
        permit: Permit,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        request.repeat = true;
        Box::pin(async move {
            if let Ok(Some(claim)) = self.claim(lane.key(), &request).await {
                self.run(lane, claim, permit).await;
            } else {
                drop(permit);
                lane.wake();
            }
        })
    }

    /// Ends a task that waits. A repeat that finds it ended just so counts as done.
    pub(super) async fn end_waiting(
        &self,
        id: TaskId,
        ending: &Settlement,
        tries: u32,
    ) -> Result<Cancelled, QueueError> {
        let cancelled = until_clear(tries, |_| self.queue.cancel(id, ending.clone())).await;
        if !cancelled.repeated || cancelled.answer != Ok(Cancelled::Ended) {
            return cancelled.answer;
        }
        let as_asked = self.has_ended_so(id, ending, tries).await?;
        Ok(if as_asked { Cancelled::Done } else { Cancelled::Ended })
    }

    /// Whether a task has ended in just that way.
    pub(super) async fn has_ended_so(&self, id: TaskId, ending: &Settlement, tries: u32) -> Result<bool, QueueError> {
        let record = until_clear(tries, |_| self.queue.get(id)).await.answer?;
        Ok(record.is_some_and(|record| record.state == ending.state() && record.code == ending.code()))
    }
}

/// The request as it is sent once more.
pub(super) fn again(request: &ClaimRequest, repeat: bool) -> ClaimRequest {
    ClaimRequest { repeat: request.repeat || repeat, ..request.clone() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn outcome(tries: u32, failures: u32, then: Result<u32, QueueError>) -> (Result<u32, QueueError>, bool, u32) {
        let calls = AtomicU32::new(0);
        let call = |repeat| {
            let n = calls.fetch_add(1, Ordering::Relaxed);
            assert_eq!(repeat, n > 0, "only the first call is no repeat");
            let unclear = Err(QueueError::Unavailable("away".to_owned()));
            std::future::ready(if n < failures { unclear } else { then.clone() })
        };
        let outcome = until_clear(tries, call).await;
        (outcome.answer, outcome.repeated, calls.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_what_is_unclear_and_nothing_else() {
        assert_eq!(outcome(BRIEF, 0, Ok(7)).await, (Ok(7), false, 1));
        assert_eq!(outcome(BRIEF, 0, Err(QueueError::LeaseLost)).await, (Err(QueueError::LeaseLost), false, 1));
        assert_eq!(outcome(BRIEF, 3, Ok(7)).await, (Ok(7), true, 4));
        let (answer, repeated, calls) = outcome(BRIEF, 9, Ok(7)).await;
        assert!(matches!(answer, Err(QueueError::Unavailable(_))) && repeated && calls == BRIEF);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_patient_wait_on_for_a_store_that_is_away() {
        let away = || Err(QueueError::Away("gone".to_owned()));
        assert_eq!(outcome(BRIEF, 0, away()).await, (away(), false, 1));
        let (answer, repeated, calls) = outcome(BRIEF, 1, away()).await;
        assert!(matches!(answer, Err(QueueError::Unavailable(_))), "an earlier try may have done it: {answer:?}");
        assert!(repeated && calls == 2);
        assert_eq!(outcome(PATIENT, 0, away()).await, (away(), false, PATIENT));
    }
}
