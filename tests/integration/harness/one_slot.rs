//! A dispatcher with a queue in memory and one worker with one slot, which answers every task well, or those that it does not keep.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use andera_lb::config::Settings;
use andera_lb::dispatch::{DispatchSettings, Dispatcher, Parts};
use andera_lb::policy::{PolicyEngine, native};
use andera_lb::queue::{Enqueued, MemoryQueue, NewTask, QueueLimits, TaskQueue};
use andera_lb::task::{
    Chance, Clock, Contract, LaneKey, Mode, TaskId, TaskOptions, TaskRecord, TaskSpec, Timestamp, WorkerKey,
};
use andera_lb::telemetry::Metrics;
use andera_lb::upstream::{Answer, AnswerBody, Delivery, DeliveryError, Notice, Notifier, Upstream};
use andera_lb::workers::{SlotReport, Slots, WorkerAddress, WorkerId, WorkerProbe, WorkerStanding};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::mpsc;

pub(crate) const GROUP: &str = "g";

pub(crate) struct OneSlot {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) queue: Arc<dyn TaskQueue>,
    slots: Arc<Slots>,
    world: Arc<World>,
    notices: tokio::sync::Mutex<mpsc::UnboundedReceiver<Notice>>,
    clock: Clock,
    chance: Chance,
}

struct World {
    delivered: Mutex<Vec<TaskId>>,
    kept: Mutex<HashSet<TaskId>>,
    notices: mpsc::UnboundedSender<Notice>,
}

impl OneSlot {
    pub(crate) fn new() -> Self {
        let clock = Clock::simulated(Timestamp::from_millis(1_700_000_000_000));
        let chance = Chance::seeded(1);
        let limits = QueueLimits {
            max_waiting: 100,
            max_interruptions: 10,
            retention: Duration::from_hours(1),
            retention_count: 100,
            retention_bytes: u64::MAX,
        };
        let queue: Arc<dyn TaskQueue> = Arc::new(MemoryQueue::new(limits, clock.clone()));
        let slots = Arc::new(Slots::default());
        let worker = Arc::new(WorkerAddress::parse("http://worker").unwrap());
        let lane_slots = slots.lane(&lane());
        lane_slots.set_worker(WorkerId(0), &worker, WorkerStanding { ready: true, eligible: true, weight: 1.0 });
        lane_slots.report(WorkerId(0), &SlotReport { limit: 1, ..SlotReport::default() });
        let (sender, notices) = mpsc::unbounded_channel();
        let world = Arc::new(World { delivered: Mutex::default(), kept: Mutex::default(), notices: sender });
        let dispatcher = Dispatcher::new(Parts {
            queue: Arc::clone(&queue),
            slots: Arc::clone(&slots),
            probe: Arc::<World>::clone(&world),
            policy: PolicyEngine::new(native("least-loaded").unwrap()),
            upstream: Arc::<World>::clone(&world),
            notifier: Arc::<World>::clone(&world),
            metrics: Arc::new(Metrics::new()),
            clock: clock.clone(),
            chance: chance.clone(),
            settings: DispatchSettings {
                tasks: Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap().tasks,
                inbox: Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap().inbox,
                lease: Duration::from_secs(15),
                policy_wait: Duration::from_millis(250),
            },
        });
        Self { dispatcher, queue, slots, world, notices: tokio::sync::Mutex::new(notices), clock, chance }
    }

    /// A task that was in the store when the balancer started.
    pub(crate) async fn stored(&self, worker_key: WorkerKey, change: impl FnOnce(&mut TaskSpec)) -> TaskId {
        let now = self.clock.now();
        let mut spec = TaskSpec {
            id: TaskId::new(now, self.chance.wide_number()),
            lane: lane(),
            function: "f".into(),
            mode: Mode::Async,
            options: TaskOptions::default(),
            body: Bytes::from_static(b"{}"),
            worker_key,
            webhook: None,
            created_at: now,
            expires_at: now.after(Duration::from_hours(1)),
            resumable: false,
            idempotency: None,
        };
        change(&mut spec);
        let id = spec.id;
        let task = NewTask { spec: Arc::new(spec), priority: None, run_at: None };
        assert_eq!(self.queue.enqueue(task).await, Ok(Enqueued::New));
        id
    }

    /// Starts the balancer: what is stored begins to run.
    pub(crate) fn start(&self) {
        tokio::spawn(Arc::clone(&self.dispatcher).run_upkeep());
    }

    pub(crate) async fn ended(&self, id: TaskId) -> TaskRecord {
        let view = self.dispatcher.task_view_at_end(id, Duration::from_mins(10)).await.unwrap().unwrap();
        assert!(view.record.state.is_ending(), "{view:?}");
        view.record
    }

    /// The worker does not answer that task.
    pub(crate) fn is_kept(&self, id: TaskId) {
        self.world.kept.lock().insert(id);
    }

    pub(crate) fn delivered(&self) -> Vec<TaskId> {
        self.world.delivered.lock().clone()
    }

    pub(crate) async fn noticed(&self) -> Notice {
        self.notices.lock().await.recv().await.unwrap()
    }

    /// Whether the worker's slot could be given to a task now.
    pub(crate) fn slot_is_free(&self) -> bool {
        self.slots.lane(&lane()).try_permit().is_some()
    }
}

fn lane() -> LaneKey {
    LaneKey::new(GROUP, Contract::new(1.0).unwrap())
}

#[async_trait]
impl Upstream for World {
    async fn deliver(&self, delivery: Delivery) -> Result<Answer, DeliveryError> {
        assert!(delivery.worker_key.is_readable());
        self.delivered.lock().push(delivery.task);
        if self.kept.lock().contains(&delivery.task) {
            std::future::pending::<()>().await;
        }
        let chunks = futures_util::stream::iter([Ok(Bytes::from_static(b"{}"))]);
        Ok(Answer { status: 200, content_type: None, retry_after: None, body: AnswerBody::from_stream(chunks.boxed()) })
    }
}

#[async_trait]
impl Notifier for World {
    async fn notify(&self, notice: Notice) {
        self.notices.send(notice).unwrap();
    }
}

impl WorkerProbe for World {
    fn suspect(&self, worker: WorkerId) {
        panic!("{worker:?} did nothing wrong");
    }

    fn probe_now(&self, worker: WorkerId) {
        panic!("{worker:?} did nothing wrong");
    }
}
