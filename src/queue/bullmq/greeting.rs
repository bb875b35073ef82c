//! What is looked at on every new connection.

use std::time::Duration;

use redis::Value;

use super::BullmqQueue;
use super::answer::word;
use super::link::Live;
use super::steps::Step;
use crate::queue::{Lease, QueueError, Settlement, TaskQueue};
use crate::task::ErrorCode;

/// How long a balancer counts as there, at least.
const OWN_LEASE: Duration = Duration::from_secs(5);
const FAREWELL: Duration = Duration::from_secs(1);

impl BullmqQueue {
    /// Looks at the server behind a new connection: whether it keeps what is stored, and whether it has kept it.
    pub(super) async fn greet(&self, live: Live) -> Result<(), QueueError> {
        let proposed = Step::new("identity").text(format!("{}-{:016x}", self.me, fastrand::u64(..)));
        let mut answers = self.call_on(&live, &[self.here(), proposed]).await?;
        let found = word(&answers.pop().unwrap_or(Value::Nil)).to_owned();
        let known = self.store.lock().replace(found.clone());
        if known.is_some_and(|known| known != found) {
            tracing::error!("Redis has come back without what was stored in it: the tasks that were there are lost");
        }
        let mut connection = live.connection.clone();
        // Whoever may not ask is not told.
        let memory = redis::cmd("INFO").arg("memory").query_async::<String>(&mut connection).await.unwrap_or_default();
        let mut policies = memory.lines().filter_map(|field| field.strip_prefix("maxmemory_policy:"));
        let policy = policies.next().filter(|policy| *policy != "noeviction");
        if let Some(policy) = policy {
            tracing::warn!(
                policy,
                "Redis may drop tasks when its memory is full: maxmemory-policy should be noeviction"
            );
        }
        Ok(())
    }

    /// Says that this balancer is there, for somewhat longer than until it says so again.
    pub(super) fn here(&self) -> Step {
        Step::new("here").of(self.lease.max(OWN_LEASE).as_millis())
    }

    /// This balancer goes: whoever finds something of its clients need not wait for it.
    pub(super) async fn leave(&self) {
        let Some(live) = self.link.answering() else { return };
        // Nobody watches over the connection any more.
        let _ = tokio::time::timeout(FAREWELL, self.call_on(&live, &[Step::new("leave")])).await;
    }

    /// Ends a task of which what is stored cannot be read.
    pub(super) async fn fail_unreadable(&self, lease: &Lease) -> Result<(), QueueError> {
        tracing::error!(task = %lease.task, "what is stored of a task cannot be read, and it has failed");
        let error = "What is stored of the task cannot be read".into();
        let ending = Settlement::Fail { attempt: None, error, code: ErrorCode::Internal, result: None };
        self.settle(lease, ending).await.map(drop)
    }
}
