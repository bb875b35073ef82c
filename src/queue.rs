//! The queue: where tasks wait, who holds which, and how each ended.
//!
//! [`TaskQueue`] is the contract; every backend passes one conformance suite. The rules that all of them keep:
//!
//! - **Order.** Within a lane: tasks without a priority first, then 1 before 2; equals first in, first out. A retry and a claim given
//!   back keep their place among equals.
//! - **Leases.** A claim carries a fencing token ([`Lease`]). Whoever settles, renews or releases with a token that is not the
//!   task's present one gets [`QueueError::LeaseLost`], and nothing changes.
//! - **Repeats.** Every write may be repeated after an unclear outcome: an enqueue of the same id makes no second task, a settle
//!   with the same token answers as the first did, a claim with the same request id returns the same task.
//! - **One task a key.** Of all tasks that are kept, at most one has a given idempotency key, also when two come at the same moment;
//!   the key is free again once its task is forgotten. A repeat of that one task is told from another by its id.
//! - **One ending.** A task that has ended stays as it ended, unless somebody asks for it to be run again.
//! - **Notices.** A task in mode `webhook` that ends as failed, in whatever way, owes a notice from that same step on: its webhook is
//!   to be told. It does until that is said to be done, or the task runs again or is purged; so long the limits of retention pass it
//!   over.

mod bullmq;
mod claim;
mod embedded;
mod error;
mod filter;
mod inbox;
mod ledger;
mod memory;
mod notice;
mod sealing;
mod settlement;

#[cfg(test)]
pub(crate) mod conformance;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

pub use bullmq::{BullmqQueue, RedisAddressError};
pub use claim::{Claim, ClaimRequest, Lease, MAX_SKIPPED, RequestId, Whereabouts};
pub use embedded::{
    Damage, Doctor, EmbeddedQueue, Findings, LogEntries, LogFile, OpenError, Repaired, TaskCounts, TornTail,
    UnreadableTask,
};
pub use error::QueueError;
pub use filter::{LaneCounts, StateCounts, TaskFilter, TaskPage};
pub use inbox::{Answered, Inbox, InboxAnswer, InboxJob, JobId};
pub use memory::MemoryQueue;
pub use notice::OwedNotice;
pub use sealing::{DeriveError, Sealer};
pub use settlement::{Cancelled, Ending, Released, Requeued, Settled, Settlement, Waiting};

use crate::task::{LaneKey, Priority, TaskId, TaskRecord, TaskSpec, Timestamp};

/// How far a position is counted.
pub const MAX_POSITION: usize = 10_000;

/// A task to enqueue.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// The fixed part.
    pub spec: Arc<TaskSpec>,
    /// Its priority.
    pub priority: Option<Priority>,
    /// When it may run at the earliest; `None` is at once.
    pub run_at: Option<Timestamp>,
}

/// What an enqueue did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// The task is in the store.
    New,
    /// It already was: this is a repeat.
    Known,
    /// It is not: that other task holds its idempotency key. Whether both were sent alike is for the caller to see.
    Duplicate(TaskId),
}

/// Limits that the queue itself keeps.
#[derive(Clone, Debug)]
pub struct QueueLimits {
    /// Tasks waiting at once.
    pub max_waiting: u64,
    /// How often a task may be interrupted.
    pub max_interruptions: u32,
    /// How long ended tasks are kept.
    pub retention: std::time::Duration,
    /// How many ended tasks are kept.
    pub retention_count: u64,
    /// How many bytes of ended tasks are kept.
    pub retention_bytes: u64,
}

/// What happens in the queue without its caller's doing.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueEvent {
    /// A task of that lane has become claimable: its time came, its lease ran out, it was promoted or requeued, or its lane was
    /// resumed.
    Claimable(LaneKey),
    /// A task has ended by the queue's own rules: it expired, or was interrupted too often.
    Ended(Ending),
    /// A task has ended by the doing of another balancer, which takes care of everything but those who wait for it here.
    EndedElsewhere(Ending),
    /// Somebody who does not run that task wants its run stopped.
    StopAsked(TaskId),
    /// What another process on the same queue wanted the others to know ([`TaskQueue::tell_others`]).
    News(String),
    /// What others did may not have been told for a while.
    Missed,
}

/// A queue of tasks. See the module for the rules.
#[async_trait]
pub trait TaskQueue: Send + Sync + 'static {
    /// Puts a task into its lane. It is in the store when this returns.
    async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError>;

    /// Puts tasks into their lanes; each is answered by itself, in order.
    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Vec<Result<Enqueued, QueueError>>;

    /// Enqueues a task and claims the head of its lane in one step, for a caller that holds a permit. The claim may be of
    /// another task, and is `None` in a paused lane, when the task is delayed and no other waits, and for a duplicate.
    async fn enqueue_and_claim(
        &self,
        task: NewTask,
        request: ClaimRequest,
    ) -> Result<(Enqueued, Option<Claim>), QueueError>;

    /// Claims the head of a lane, the tasks to skip left out.
    async fn claim(&self, lane: &LaneKey, request: ClaimRequest) -> Result<Option<Claim>, QueueError>;

    /// Claims one task, if it is queued and its lane not paused.
    async fn claim_task(&self, id: TaskId, request: ClaimRequest) -> Result<Option<Claim>, QueueError>;

    /// Takes a claim over from the process that has it, at its word, for the one that has the task's client: the new lease has a greater
    /// token, and what the other one does with its own is refused from then on. [`QueueError::LeaseLost`] if that is not the present claim.
    async fn take_over(&self, _lease: &Lease, _request: ClaimRequest) -> Result<Claim, QueueError> {
        Err(QueueError::LeaseLost)
    }

    /// Whether the present claim of a task is the one that was taken over from this.
    async fn is_taken_over(&self, _lease: &Lease) -> Result<bool, QueueError> {
        Ok(false)
    }

    /// Extends leases, each to `duration` from now; each is answered by itself, in order.
    async fn renew(&self, leases: &[Lease], duration: std::time::Duration) -> Vec<Result<(), QueueError>>;

    /// Ends a claim with an outcome.
    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError>;

    /// Ends claims; each is answered by itself, in order.
    async fn settle_many(&self, settlements: Vec<(Lease, Settlement)>) -> Vec<Result<Settled, QueueError>>;

    /// Ends a claim and takes the next one of the same lane in one step, for a caller whose slot has become a permit.
    async fn settle_and_claim(
        &self,
        lease: &Lease,
        settlement: Settlement,
        request: ClaimRequest,
    ) -> (Result<Settled, QueueError>, Result<Option<Claim>, QueueError>);

    /// Gives a claim back: the task keeps its place and no attempt is used. An interruption is counted, and ends the task once
    /// there were too many, or at once if it may only ever run once.
    async fn release(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError>;

    /// Gives claims back; each is answered by itself, in order.
    async fn release_many(&self, leases: Vec<Lease>, interrupted: bool) -> Vec<Result<Released, QueueError>>;

    /// Ends a task that waits. One that runs is left to whoever runs it.
    async fn cancel(&self, id: TaskId, ending: Settlement) -> Result<Cancelled, QueueError>;

    /// Tells whoever runs a task elsewhere to stop it ([`QueueEvent::StopAsked`]). A queue of one process has nobody to tell.
    async fn ask_to_stop(&self, _id: TaskId) -> Result<(), QueueError> {
        Ok(())
    }

    /// Makes a delayed task claimable now. `false` if it was not delayed.
    async fn promote(&self, id: TaskId) -> Result<bool, QueueError>;

    /// Has a task that has ended run again as the same task: queued, behind its equals, until `expires_at`. Its attempts stay and are
    /// not counted against its limit any more; interruptions begin at none; the end's time, result, error and code are gone. A sync
    /// task is async from then on. It is a waiting task like any other, so the queue may be full for it. A repeat finds it waiting.
    async fn requeue(&self, id: TaskId, expires_at: Timestamp) -> Result<Requeued, QueueError>;

    /// Changes the priority of a task that waits; it goes behind its new equals by its time of submission. `false` if it does
    /// not wait any more.
    async fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> Result<bool, QueueError>;

    /// What is known of a task.
    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, QueueError>;

    /// How many tasks of its lane are claimed before this one: 0 is next. `None` if it is not queued, or stands behind more than
    /// [`MAX_POSITION`] others.
    async fn position(&self, id: TaskId) -> Result<Option<u64>, QueueError>;

    /// Tasks that match, newest first.
    async fn list(&self, filter: &TaskFilter) -> Result<TaskPage, QueueError>;

    /// Tasks by lane and state. Kept, not counted.
    async fn counts(&self) -> Result<Vec<LaneCounts>, QueueError>;

    /// One lane's tasks by state.
    async fn lane_counts(&self, lane: &LaneKey) -> Result<LaneCounts, QueueError>;

    /// When the oldest of the tasks was submitted that are queued in a lane. `None` if none is, and of a store that cannot say without
    /// going through its tasks.
    async fn oldest_queued(&self, _lane: &LaneKey) -> Result<Option<Timestamp>, QueueError> {
        Ok(None)
    }

    /// Stops or restarts claims from a lane. What runs there runs on.
    async fn set_paused(&self, lane: &LaneKey, paused: bool) -> Result<(), QueueError>;

    /// Forgets ended tasks that match; says how many.
    async fn purge(&self, filter: &TaskFilter) -> Result<u64, QueueError>;

    /// Forgets one task that has ended. `false` if it has not, or is not there.
    async fn forget(&self, id: TaskId) -> Result<bool, QueueError> {
        let Some(record) = self.get(id).await?.filter(|record| record.state.is_ending()) else { return Ok(false) };
        let lane = &record.spec.lane;
        let filter = TaskFilter {
            states: vec![record.state],
            group: Some(Arc::clone(&lane.group)),
            contract: Some(lane.contract),
            text: Some(id.to_string().into()),
            ..TaskFilter::default()
        };
        Ok(self.purge(&filter).await? > 0)
    }

    /// Notices that are owed, by the time of the ending, oldest first: those after `after`, at most `limit`. Fewer than that are the last.
    async fn owed_notices(&self, after: Option<OwedNotice>, limit: usize) -> Result<Vec<OwedNotice>, QueueError>;

    /// A notice has been given, or never will be. Changes nothing if the task does not owe it: on a repeat, or once it has been run
    /// again.
    async fn notice_done(&self, notice: OwedNotice) -> Result<(), QueueError>;

    /// Whether other processes may use the same queue.
    fn is_shared(&self) -> bool {
        false
    }

    /// Tells them something ([`QueueEvent::News`]). Whether they hear it is not sure.
    async fn tell_others(&self, _news: String) -> Result<(), QueueError> {
        Ok(())
    }

    /// Where other tools leave tasks, if the store has such a place.
    fn inbox(&self) -> Option<&dyn Inbox> {
        None
    }

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), QueueError>;

    /// What happens in the queue without its callers' doing. A receiver that falls behind by 4,096 events misses some and is told so.
    fn events(&self) -> broadcast::Receiver<QueueEvent>;

    /// The queue's own work (tasks that fall due, leases that run out, retention), until cancelled.
    async fn run(&self, cancel: CancellationToken);
}
