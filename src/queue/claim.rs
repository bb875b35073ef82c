//! Claims and leases.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::ledger::Standing;
use crate::task::{Attempt, LaneKey, Priority, TaskId, TaskSpec};

/// How many tasks a claim may skip.
pub const MAX_SKIPPED: usize = 64;

/// Names a claim, so that a repeat after an unclear outcome finds the task the first try took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub u64);

/// How a task is to be claimed.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Fresh for each claim, the same when it is repeated.
    pub id: RequestId,
    /// Whether this repeats a request whose outcome was unclear.
    pub repeat: bool,
    /// How long the lease holds without renewal.
    pub lease: Duration,
    /// Tasks to pass over, at most [`MAX_SKIPPED`].
    pub skip: SmallVec<[TaskId; 4]>,
}

impl ClaimRequest {
    /// A first request that skips nothing.
    pub fn new(id: RequestId, lease: Duration) -> Self {
        Self { id, repeat: false, lease, skip: SmallVec::new() }
    }
}

/// The right to settle a task. The token grows with every claim of the task, so that a late holder is told from the present one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The task.
    pub task: TaskId,
    /// Its lane.
    pub lane: LaneKey,
    /// The fencing token.
    pub token: u64,
}

/// Where the client of a stream is. Only a queue that is shared knows of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// At this process; also said of tasks that are no streams.
    Here,
    /// At another process, to which the claim is to be handed over.
    Elsewhere,
    /// It was at a process that is gone.
    Gone,
}

/// A task taken to be run.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The right to settle it.
    pub lease: Lease,
    /// The fixed part.
    pub spec: Arc<TaskSpec>,
    /// Its present priority.
    pub priority: Option<Priority>,
    /// How many attempts it has had.
    pub attempts: u32,
    /// How many of them were before it was last run again on request: its limit does not count them.
    pub earlier: u32,
    /// The last of those that the limit counts.
    pub last_attempt: Option<Attempt>,
    /// Where its client is, if it is a stream.
    pub client: Whereabouts,
}

impl Claim {
    /// The claim of a task that stands like that.
    pub(super) fn of(lease: Lease, standing: &Standing, spec: Arc<TaskSpec>, last_attempt: Option<Attempt>) -> Self {
        let (priority, attempts, earlier) = (standing.order.priority(), standing.attempts, standing.earlier);
        Self { lease, spec, priority, attempts, earlier, last_attempt, client: Whereabouts::Here }
    }

    /// How many of the attempts allowed are used up.
    pub const fn used(&self) -> u32 {
        self.attempts.saturating_sub(self.earlier)
    }
}
