//! Dispatch: the way of a task from its submission to its ending. The only room that knows queue, workers, policy and upstream.
//!
//! The order, always: take a lane [permit](crate::workers::Permit), claim the head of the lane, rank the candidates, turn the permit
//! into a [reservation](crate::workers::Reservation), deliver, settle. A slot that comes free is carried on to the next claim of
//! its lane in the step that settles the last one.
//!
//! | file | what it does |
//! |---|---|
//! | `submit` | a submission becomes a task, and runs at once if a slot is free |
//! | `batch` | many submissions at once |
//! | `inbox` | takes in what others leave in the queue |
//! | `admit` | asks the policy whether a submission becomes a task |
//! | `client`, `patience` | a sync or stream client waits for its reply, and for how long |
//! | `join` | a submission that is there already gets the reply of the task it repeats |
//! | `run` | one claim: rank, reserve, deliver, and on to the next |
//! | `rank` | asks the policy where a task should go |
//! | `exchange` | the conversation with the worker, and what of it goes to client and store |
//! | `conclude` | what the end of an attempt means for worker, task and client |
//! | `judge`, `backoff` | the rules for that: pure decisions |
//! | `lend`, `borrow`, `loans` | a stream is handed over to the balancer that has its client |
//! | `settle`, `ending` | writes the outcome down, tells everybody who waits |
//! | `repeat` | what to do when the queue does not answer |
//! | `lane`, `aside`, `pump` | a lane, the tasks set aside in it, and the task that looks after it |
//! | `flights`, `watching` | who waits for which task, and which tasks run here |
//! | `notices` | tells webhooks that their tasks have finally failed |
//! | `upkeep` | renews leases, hears what the queue does by itself |
//! | `view`, `waiting`, `lane_view` | how tasks and lanes stand |
//! | `events` | what happens to tasks, told to whoever listens |
//! | `cancel`, `change` | what may be asked for a task: to end, to run again, sooner, before others |
//! | `bulk` | the same for all tasks that match a filter |
//! | `drain` | the orderly end |

mod admit;
mod adopt;
mod aside;
mod backoff;
mod batch;
mod borrow;
mod bulk;
mod cancel;
mod change;
mod client;
mod conclude;
mod drain;
mod ending;
mod events;
mod exchange;
mod flights;
mod inbox;
mod join;
mod judge;
mod lane;
mod lane_view;
mod lend;
mod loans;
mod notices;
mod patience;
mod pump;
mod rank;
mod repeat;
mod reply;
mod run;
mod settle;
mod submit;
mod upkeep;
mod view;
mod waiting;
mod watching;

use std::sync::{Arc, Once};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use bulk::{BulkAction, BulkReport};
pub use cancel::CancelOutcome;
pub use drain::DrainReport;
pub use events::{EventReceiver, FollowUp, Heard, TaskEvent, TaskFollower};
pub use lane_view::LaneView;
pub use reply::{Refusal, Reply, ReplyBody, StreamPart, Timing};
pub use submit::{Accepted, Submission};
pub use view::{TaskListing, TaskView};
pub use waiting::{WaitingReason, WaitingView};

use self::events::TaskEvents;
use self::flights::Flights;
use self::lane::Lanes;
use self::loans::Loans;
use self::notices::Notices;
use crate::config::{InboxSettings, TaskSettings};
use crate::policy::PolicyEngine;
use crate::queue::{ClaimRequest, RequestId, TaskQueue};
use crate::task::{Chance, Clock};
use crate::telemetry::Metrics;
use crate::upstream::{Notifier, Upstream};
use crate::workers::{SlotTotals, Slots, WorkerProbe};

/// What dispatch is built from.
pub struct Parts {
    /// Where tasks are kept.
    pub queue: Arc<dyn TaskQueue>,
    /// The slots of the workers.
    pub slots: Arc<Slots>,
    /// Who looks after a worker that failed.
    pub probe: Arc<dyn WorkerProbe>,
    /// Who ranks the workers.
    pub policy: PolicyEngine,
    /// How tasks reach them.
    pub upstream: Arc<dyn Upstream>,
    /// Who tells webhooks of failed tasks.
    pub notifier: Arc<dyn Notifier>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub chance: Chance,
    /// Limits and retries.
    pub settings: DispatchSettings,
}

/// Limits and retries of dispatch.
#[derive(Clone, Debug)]
pub struct DispatchSettings {
    /// Of tasks.
    pub tasks: TaskSettings,
    /// How long a claim holds without renewal.
    pub lease: Duration,
    /// The keys of the workers, for tasks that others leave in the queue.
    pub inbox: InboxSettings,
    /// When a task that a policy told to wait is asked for again at the latest.
    pub policy_wait: Duration,
}

/// Takes tasks, runs them on workers, returns their results.
///
/// Cheap to share. [`Dispatcher::run_upkeep`] must be running for tasks that cannot start at once.
pub struct Dispatcher {
    queue: Arc<dyn TaskQueue>,
    slots: Arc<Slots>,
    probe: Arc<dyn WorkerProbe>,
    policy: PolicyEngine,
    upstream: Arc<dyn Upstream>,
    notices: Arc<Notices>,
    metrics: Arc<Metrics>,
    clock: Clock,
    chance: Chance,
    settings: DispatchSettings,
    lanes: Lanes,
    flights: Flights,
    loans: Loans,
    /// Whether it was said that there are tasks whose worker key is unreadable: they may be many.
    unreadable_told: Once,
    /// Whether it was said that other balancers list other workers.
    unlisted_told: Once,
    events: Arc<TaskEvents>,
    /// Everything that runs for a task or a lane.
    tasks: TaskTracker,
    /// Where the pumps run, and what they start: on whichever thread has time, while a thread that serves keeps to its own clients.
    pumping: Option<Handle>,
    /// Set when the drain begins: nothing new is claimed.
    draining: CancellationToken,
    /// Set when the drain is over: background work ends.
    stopped: CancellationToken,
}

impl Dispatcher {
    /// A dispatcher of these parts, idle.
    pub fn new(parts: Parts) -> Arc<Self> {
        let stopped = CancellationToken::new();
        let notices = Notices::new(Arc::clone(&parts.queue), parts.notifier, parts.clock.clone(), stopped.clone());
        parts.policy.count_in(&parts.metrics);
        Arc::new(Self {
            queue: parts.queue,
            slots: parts.slots,
            probe: parts.probe,
            policy: parts.policy,
            upstream: parts.upstream,
            notices: Arc::new(notices),
            metrics: parts.metrics,
            clock: parts.clock,
            chance: parts.chance,
            settings: parts.settings,
            lanes: Lanes::default(),
            flights: Flights::default(),
            loans: Loans::default(),
            unreadable_told: Once::new(),
            unlisted_told: Once::new(),
            events: Arc::default(),
            tasks: TaskTracker::new(),
            pumping: Handle::try_current().ok(),
            draining: CancellationToken::new(),
            stopped,
        })
    }

    /// The queue.
    pub fn queue(&self) -> &Arc<dyn TaskQueue> {
        &self.queue
    }

    /// The policy in force.
    pub fn policy(&self) -> &PolicyEngine {
        &self.policy
    }

    /// The time, as dispatch sees it.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The slots of all workers, added up.
    pub fn slot_totals(&self) -> SlotTotals {
        self.slots.totals()
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until the drain has begun.
    pub async fn drain_begun(&self) {
        self.draining.cancelled().await;
    }

    fn claim_request(&self) -> ClaimRequest {
        ClaimRequest::new(RequestId(self.chance.number()), self.settings.lease)
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}
