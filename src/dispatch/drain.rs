//! The orderly end.

use std::sync::Arc;
use std::time::Duration;

use super::flights::StopReason;
use super::{Dispatcher, Refusal, Reply};

/// How long runs that are told to stop may take to give their tasks back.
const GIVE_BACK: Duration = Duration::from_secs(5);
/// How long webhooks may take to be told of the tasks that have failed.
const LAST_NOTICES: Duration = Duration::from_secs(5);

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Tasks that still ran at the end of the time given, and were given back.
    pub interrupted: usize,
    /// Tasks that wait in the queue.
    pub waiting: u64,
}

impl Dispatcher {
    /// Begins the drain: nothing new is taken in or claimed, clients that wait in a lane are told.
    pub fn begin_drain(&self) {
        self.draining.cancel();
        self.tasks.close();
    }

    /// Drains: what runs may finish within `limit`, and clients wait for what runs elsewhere; then it is given back as an interruption, and
    /// they are sent away.
    pub async fn drain(self: &Arc<Self>, limit: Duration) -> DrainReport {
        self.begin_drain();
        let mut interrupted = 0;
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            interrupted = self.flights.stop_all(StopReason::Shutdown);
            // Those whose tasks run through another balancer, which goes on.
            for id in self.flights.awaited() {
                self.flights.ended(id, None, |_| Reply::Refused(Refusal::shutting_down().of(id)));
            }
            if tokio::time::timeout(GIVE_BACK, self.tasks.wait()).await.is_err() {
                tracing::error!("some runs did not stop in time: their leases will run out");
            }
        }
        self.notices.drain(LAST_NOTICES).await;
        self.stopped.cancel();
        self.notices.ended().await;
        let counts = self.queue.counts().await.unwrap_or_default();
        let waiting = counts.iter().map(|lane| lane.counts.queued + lane.counts.delayed).sum();
        DrainReport { interrupted, waiting }
    }
}
