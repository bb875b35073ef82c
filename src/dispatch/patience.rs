//! How long a client waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::lane::Lane;
use super::{Dispatcher, Refusal};
use crate::task::ErrorCode;

/// When to look again at a task that could not be given up because it ran: its run may end in a retry that nobody takes. Also the
/// least time between two looks at a lane that has a worker.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How long one client waits for a task of a lane.
pub(super) struct Patience {
    lane: Arc<Lane>,
    submitted: Instant,
    /// The client's whole wait.
    limit: Duration,
    /// Its wait for a lane that has no worker.
    no_worker: Duration,
}

/// What the client's clock says.
pub(super) enum Look {
    /// Look again then.
    Again(Instant),
    /// Give up now.
    Over(Refusal),
}

impl Patience {
    /// Of a client that came at `submitted`; `timeout` is its task's own.
    pub(super) fn new(
        dispatcher: &Dispatcher,
        lane: &Arc<Lane>,
        submitted: Instant,
        timeout: Option<Duration>,
    ) -> Self {
        let settings = &dispatcher.settings.tasks;
        let (limit, no_worker) = (timeout.unwrap_or(settings.timeout), settings.no_worker_timeout);
        Self { lane: Arc::clone(lane), submitted, limit, no_worker }
    }

    /// How long the client has waited.
    pub(super) fn waited(&self) -> Duration {
        self.submitted.elapsed()
    }

    /// When it ends, whatever happens.
    pub(super) fn deadline(&self) -> Instant {
        self.submitted + self.limit
    }

    /// When to look first, for a client whose task waits in its lane.
    pub(super) fn first_look(&self) -> Instant {
        self.submitted + self.limit.min(self.no_worker)
    }

    /// Whether a client that waits in its lane should go on waiting.
    pub(super) fn look(&self) -> Look {
        let now = Instant::now();
        let deadline = self.deadline();
        if now >= deadline {
            return Look::Over(Refusal::timeout(self.limit));
        }
        let without = self.lane.slots.standing().without_ready_since;
        let Some(since) = without else { return Look::Again(deadline.min(now + self.no_worker.max(LOOK_AGAIN))) };
        let over = since.max(self.submitted) + self.no_worker;
        if over <= now {
            let message = format!("No worker is ready for {}", self.lane.key());
            return Look::Over(Refusal::new(ErrorCode::NoWorker, message).retry_after(self.no_worker));
        }
        Look::Again(deadline.min(over))
    }
}
