//! A backend under test, and what the tests need around it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::faulty::Faulty;
use super::persistent::Persistent;
use super::standstill::Standstill;
use crate::queue::*;
use crate::task::{
    Attempt, AttemptOutcome, Chance, Clock, Contract, ErrorCode, Mode, StoredResult, TaskOptions, TaskState, Timestamp,
    WorkerKey,
};

/// A backend under test and what the tests need around it.
///
/// Time is tokio's, paused: it moves on when every task waits for it, and by as much. The clock follows it, leases should. That holds for
/// a backend with threads of its own as well, on these conditions:
///
/// - Within a call time stands still ([`Standstill`]), so a call may wait for another thread as long as it likes.
/// - Tokio's time is only to be had on the runtime's threads; on any other the clock and `Instant` run by themselves. So a backend takes the
///   time where it is called, and hands it to its threads; or such a thread enters the runtime's handle.
/// - Its own work (`run`) happens on the runtime, and time may move on while that waits for another thread: what falls due may be done
///   late, as tests see it. They wait for it ([`Bench::reaches`]), as they must anyway.
/// - What a call does is told by events before the call has answered. A test that waits for an event lets time run.
pub(crate) struct Bench {
    pub(crate) queue: Arc<dyn TaskQueue>,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
    serial: std::sync::atomic::AtomicU64,
}

pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// Calls that fail in a test under faults.
const FAULTS: f64 = 0.3;

pub(crate) fn limits() -> QueueLimits {
    QueueLimits {
        max_waiting: 1_000,
        max_interruptions: 2,
        retention: Duration::from_hours(1),
        retention_count: 1_000,
        retention_bytes: 1 << 30,
    }
}

impl Bench {
    pub(crate) fn new(make: impl FnOnce(QueueLimits, Clock) -> Arc<dyn TaskQueue>, limits: QueueLimits) -> Self {
        Self::on(make, limits, |queue| queue)
    }

    /// The same on a store that fails by chance, behind a caller that repeats what failed.
    pub(crate) fn under_faults(
        make: impl FnOnce(QueueLimits, Clock) -> Arc<dyn TaskQueue>,
        limits: QueueLimits,
        chance: Chance,
    ) -> Self {
        Self::on(make, limits, |queue| Arc::new(Persistent::new(Arc::new(Faulty::new(queue, chance, FAULTS)))))
    }

    fn on(
        make: impl FnOnce(QueueLimits, Clock) -> Arc<dyn TaskQueue>,
        limits: QueueLimits,
        wrap: impl FnOnce(Arc<dyn TaskQueue>) -> Arc<dyn TaskQueue>,
    ) -> Self {
        let clock = Clock::simulated(Timestamp::from_millis(1_700_000_000_000));
        let queue = wrap(Arc::new(Standstill(make(limits, clock.clone()))));
        let stop = CancellationToken::new();
        let (background, stopped) = (Arc::clone(&queue), stop.clone());
        tokio::spawn(async move { background.run(stopped).await });
        Self { queue, clock, stop, serial: std::sync::atomic::AtomicU64::new(1) }
    }

    pub(crate) fn request(&self) -> ClaimRequest {
        let id = self.serial.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ClaimRequest::new(RequestId(id), LEASE)
    }

    pub(crate) fn task(&self, group: &str, priority: u32) -> NewTask {
        self.task_with(group, priority, |_| {})
    }

    pub(crate) fn task_with(&self, group: &str, priority: u32, change: impl FnOnce(&mut TaskSpec)) -> NewTask {
        let now = self.clock.now();
        let serial = self.serial.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut spec = TaskSpec {
            id: TaskId::new(now, u128::from(serial) << 56),
            lane: lane(group),
            function: "f".into(),
            mode: Mode::Async,
            options: TaskOptions::default(),
            body: Bytes::from_static(b"{}"),
            worker_key: WorkerKey::new("k"),
            webhook: None,
            created_at: now,
            expires_at: now.after(Duration::from_mins(50)),
            resumable: false,
            idempotency: None,
        };
        change(&mut spec);
        NewTask { spec: Arc::new(spec), priority: Priority::new(priority), run_at: None }
    }

    pub(crate) async fn add(&self, group: &str, priority: u32) -> TaskId {
        let task = self.task(group, priority);
        let id = task.spec.id;
        assert_eq!(self.queue.enqueue(task).await, Ok(Enqueued::New));
        id
    }

    pub(crate) async fn claim(&self, group: &str) -> Option<Claim> {
        self.queue.claim(&lane(group), self.request()).await.unwrap()
    }

    pub(crate) async fn claimed_ids(&self, group: &str) -> Vec<TaskId> {
        let mut ids = Vec::new();
        while let Some(claim) = self.claim(group).await {
            ids.push(claim.spec.id);
        }
        ids
    }

    pub(crate) async fn state(&self, id: TaskId) -> TaskState {
        self.queue.get(id).await.unwrap().unwrap().state
    }

    pub(crate) async fn reaches(&self, id: TaskId, state: TaskState) {
        let reached = async {
            while self.state(id).await != state {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), reached).await.expect("the state is reached");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn lane(group: &str) -> LaneKey {
    LaneKey::new(group, Contract::new(1.0).unwrap())
}

pub(crate) fn attempt(n: u32) -> Attempt {
    Attempt {
        n,
        worker: "http://w".into(),
        started_at: Timestamp::from_millis(1),
        ended_at: Some(Timestamp::from_millis(2)),
        outcome: Some(AttemptOutcome::Completed),
        status: Some(200),
        why: Arc::default(),
    }
}

pub(crate) fn complete() -> Settlement {
    let body = Bytes::from_static(b"{\"success\":true}");
    let result = StoredResult { status: 200, content_type: None, body, truncated: false };
    Settlement::Complete { attempt: attempt(1), result }
}

pub(crate) fn cancel() -> Settlement {
    Settlement::Cancel { attempt: None, error: "no more".into(), code: ErrorCode::Cancelled }
}

pub(crate) fn retry(at: Option<Timestamp>) -> Settlement {
    Settlement::Retry { attempt: attempt(1), at }
}

/// The backend in Redis, in keys of its own.
pub(crate) fn redis(limits: QueueLimits, clock: Clock) -> Arc<dyn TaskQueue> {
    on_redis(&crate::queue::bullmq::server::settings(), limits, clock)
}

/// On a Redis that takes no library of functions.
pub(crate) fn redis_without_functions(limits: QueueLimits, clock: Clock) -> Arc<dyn TaskQueue> {
    on_redis(&crate::queue::bullmq::server::settings_without_functions(), limits, clock)
}

fn on_redis(redis: &crate::config::RedisSettings, limits: QueueLimits, clock: Clock) -> Arc<dyn TaskQueue> {
    let settings = crate::config::Settings::from_pairs([("LB_AUTH_KEY", "suite")]).unwrap();
    let sealer = Sealer::new(&settings.auth).unwrap();
    Arc::new(BullmqQueue::new(redis, limits, LEASE, clock, sealer).unwrap())
}

/// The embedded backend, in a folder that nobody sees: its files are open, and go when it does.
pub(crate) fn embedded(limits: QueueLimits, clock: Clock) -> Arc<dyn TaskQueue> {
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::config::Settings::from_pairs([("LB_AUTH_KEY", "suite")]).unwrap();
    let sealer = Sealer::new(&settings.auth).unwrap();
    Arc::new(EmbeddedQueue::open(folder.path(), limits, clock, sealer, settings.queue.durability).unwrap())
}
