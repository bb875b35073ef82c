//! A seeded simulation: the real dispatch, queue and slot code; only clock, network and chance are simulated.
//!
//! Many workers in several lanes die and come back, their reports lag, they fail, clients leave, tasks are cancelled, and the policy
//! says *wait* or names rows that do not exist. Each seed gives one course of events, and the same one every time. When all is over:
//! no slot was over-committed, no task lost, none run twice at a time or again after a success, no lane starved by another, no slot kept,
//! and every webhook was told once of a failed task.
//! All that once more with a queue that fails, delays, and does what it reports as failed.

#[path = "../../src/queue/conformance/faulty.rs"]
mod faulty;
mod policy;
mod world;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use andera_lb::dispatch::{Accepted, CancelOutcome, DispatchSettings, Dispatcher, Parts, Reply, ReplyBody, Submission};
use andera_lb::policy::PolicyEngine;
use andera_lb::queue::{MemoryQueue, QueueLimits, TaskQueue};
use andera_lb::task::{
    Attempt, AttemptOutcome, Chance, Clock, ErrorCode, Idempotency, IdempotencyKey, Mode, TaskId, TaskRequest,
    TaskState, Timestamp, WorkerKey,
};
use andera_lb::telemetry::Metrics;
use andera_lb::workers::Slots;
use andera_lb::{queue, task};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::faulty::Faulty;
use self::policy::Moody;
use self::world::World;

const SEEDS: u64 = 150;
const TASKS: usize = 250;
/// When everything must be over, in simulated time.
const END: Duration = Duration::from_hours(1);

#[test]
fn keeps_its_promises_whatever_happens() {
    each_seed(Store::Reliable);
}

#[test]
fn keeps_its_promises_with_a_queue_that_fails() {
    each_seed(Store::Faulty);
}

#[test]
fn the_same_seed_takes_the_same_course() {
    for store in [Store::Reliable, Store::Faulty] {
        assert_eq!(simulate(7, store), simulate(7, store));
        assert_ne!(simulate(7, store), simulate(8, store));
    }
}

/// What the dispatcher has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    Reliable,
    /// It fails, delays, and does what it reports as failed, to the end.
    Faulty,
}

fn each_seed(store: Store) {
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| simulate(seed, store));
        assert!(outcome.is_ok(), "seed {seed} broke a promise; the lines above say which");
    }
}

/// Runs one course of events; gives a digest of it.
fn simulate(seed: u64, store: Store) -> Vec<(usize, TaskState, usize)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { Course::begin(seed, store).run().await })
}

struct Course {
    store: Store,
    world: Arc<World>,
    dispatcher: Arc<Dispatcher>,
    /// The queue itself, below its faults.
    queue: Arc<dyn TaskQueue>,
    clients: Arc<Clients>,
    chance: Chance,
    stop: CancellationToken,
    background: TaskTracker,
    policy: Arc<Moody>,
}

impl Course {
    fn begin(seed: u64, store: Store) -> Self {
        let clock = Clock::simulated(Timestamp::from_millis(1_700_000_000_000));
        let chance = Chance::seeded(seed);
        let slots = Arc::new(Slots::default());
        let world = World::new(&slots, &clock, &chance);
        let limits = QueueLimits {
            max_waiting: 100_000,
            max_interruptions: 10,
            retention: Duration::from_secs(1_000_000),
            retention_count: 1_000_000,
            retention_bytes: u64::MAX,
        };
        let queue: Arc<dyn TaskQueue> = Arc::new(MemoryQueue::new(limits, clock.clone()));
        let relied_on: Arc<dyn TaskQueue> = match store {
            Store::Reliable => Arc::clone(&queue),
            Store::Faulty => {
                let share = [0.05, 0.25, 0.5][usize::try_from(seed).unwrap() % 3];
                Arc::new(Faulty::new(Arc::clone(&queue), Chance::seeded(!seed), share))
            }
        };
        let policy = Arc::new(Moody::default());
        let settings = andera_lb::config::Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap();
        let dispatcher = Dispatcher::new(Parts {
            queue: relied_on,
            slots,
            probe: Arc::<World>::clone(&world),
            policy: PolicyEngine::new(Arc::<Moody>::clone(&policy)),
            upstream: Arc::<World>::clone(&world),
            notifier: Arc::<World>::clone(&world),
            metrics: Arc::new(Metrics::new()),
            clock,
            chance: chance.clone(),
            settings: DispatchSettings {
                tasks: settings.tasks,
                inbox: settings.inbox,
                lease: Duration::from_secs(15),
                policy_wait: Duration::from_millis(250),
            },
        });
        let (stop, background) = (CancellationToken::new(), TaskTracker::new());
        let (held, stopped) = (Arc::clone(&queue), stop.clone());
        background.spawn(async move { held.run(stopped).await });
        background.spawn(Arc::clone(&dispatcher).run_upkeep());
        background.spawn(Arc::clone(&world).live(stop.clone()));
        let clients = Arc::default();
        Self { store, world, dispatcher, queue, clients, chance, stop, background, policy }
    }

    async fn run(self) -> Vec<(usize, TaskState, usize)> {
        let clients = TaskTracker::new();
        let mut told_to_stop = Vec::new();
        for n in 0..TASKS {
            tokio::time::sleep(Duration::from_millis(self.chance.number() % 60)).await;
            let task = self.world.random_task();
            // Some are sent twice under one key, by a client each: still one task. In a lane without workers it would outlast the
            // course.
            let twice = self.chance.fraction() < 0.1 && task["group"] != "deserted";
            let key = twice.then(|| format!("key-{n}"));
            for _ in 0..=usize::from(key.is_some()) {
                clients.spawn(client(
                    self.store,
                    Arc::clone(&self.dispatcher),
                    task.clone(),
                    key.clone(),
                    self.chance.clone(),
                    Arc::clone(&self.clients),
                ));
            }
            if self.chance.fraction() < 0.03 {
                let ids = self.clients.submitted.lock().clone();
                let picked = usize::try_from(self.chance.number() % ids.len().max(1) as u64).unwrap();
                if let Some(id) = ids.get(picked) {
                    let found = self.dispatcher.cancel(*id).await;
                    assert!(found.is_ok() || self.store == Store::Faulty, "{found:?}");
                    if found == Ok(CancelOutcome::Stopping) {
                        told_to_stop.push((*id, self.dispatcher.clock().now()));
                    }
                }
            }
        }
        // From here on the world is kind: whatever has not ended by now must end.
        self.world.calm_down();
        self.policy.calm_down();
        clients.close();
        tokio::time::timeout(END, clients.wait()).await.expect("every client got its answer");
        tokio::time::timeout(END, self.all_ended()).await.expect("every task ended");
        tokio::time::timeout(END, self.all_told()).await.expect("every webhook is told");
        for (id, at) in told_to_stop {
            let record = self.queue.get(id).await.unwrap().expect("it is kept");
            let begun_later = |run: &&Attempt| run.started_at > at && run.outcome != Some(AttemptOutcome::Cancelled);
            assert_eq!(record.attempts.iter().find(begun_later), None, "{id} was told to stop at {at:?}");
        }
        let digest = self.check().await;
        tokio::time::timeout(END, self.all_slots_free()).await.expect("no slot is kept");
        assert_eq!(self.dispatcher.drain(Duration::from_mins(1)).await.interrupted, 0);
        self.stop.cancel();
        self.background.close();
        self.background.wait().await;
        digest
    }

    async fn all_ended(&self) {
        loop {
            let lanes = self.queue.counts().await.unwrap();
            if lanes.iter().all(|lane| lane.counts.queued + lane.counts.delayed + lane.counts.running == 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn all_told(&self) {
        while !self.queue.owed_notices(None, 1).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn all_slots_free(&self) {
        loop {
            let totals = self.dispatcher.slot_totals();
            if totals.free == totals.limit && totals.used == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn check(&self) -> Vec<(usize, TaskState, usize)> {
        self.world.assert_never_overcommitted();
        self.world.assert_no_lane_starved();
        let page =
            self.queue.list(&andera_lb::queue::TaskFilter { limit: TASKS + 1, ..Default::default() }).await.unwrap();
        let runs: HashMap<TaskId, Vec<world::Run>> = self.world.runs();
        assert_eq!(
            runs.keys().filter(|id| !page.tasks.iter().any(|task| task.spec.id == **id)).count(),
            0,
            "no run of a task that is not stored"
        );
        match self.store {
            Store::Reliable => assert_eq!(page.tasks.len(), TASKS, "one task a key"),
            Store::Faulty => assert!(page.tasks.len() <= TASKS, "one task a key"),
        }
        let states: HashMap<TaskId, TaskState> = page.tasks.iter().map(|task| (task.spec.id, task.state)).collect();
        for id in self.clients.submitted.lock().iter() {
            assert!(states.contains_key(id), "{id} was taken in and is not there");
        }
        for id in self.clients.answered_well.lock().iter() {
            assert_eq!(states.get(id), Some(&TaskState::Completed), "{id}: its client was told so");
        }
        let mut digest = Vec::new();
        for (at, record) in page.tasks.iter().enumerate() {
            let runs = runs.get(&record.spec.id).map(Vec::as_slice).unwrap_or_default();
            assert!(record.state.is_ending(), "{record:?}");
            world::assert_no_two_runs_at_once(record, runs);
            let successes = runs.iter().filter(|run| run.answered_well).count();
            assert!(successes <= 1, "run again after a success: {record:?} {runs:?}");
            // A stream may be answered while it is still unclear that its client's leaving has ended it.
            let in_vain = self.store == Store::Faulty && record.code == Some(ErrorCode::ClientGone);
            assert!((successes == 1) == (record.state == TaskState::Completed) || in_vain, "{record:?} {runs:?}");
            let allowed = record.spec.options.attempts.unwrap_or(3) as usize;
            assert!(record.attempts.len() <= allowed, "{record:?}");
            // An attempt may be cut off before the worker sees it; a run without an attempt would be one that nobody counts.
            assert!(runs.len() <= record.attempts.len(), "each run is an attempt: {record:?} {runs:?}");
            assert_eq!(record.interruptions, 0);
            let told = usize::from(record.spec.mode == Mode::Webhook && record.state == TaskState::Failed);
            assert_eq!(self.world.notices_of(record.spec.id), told, "{record:?}");
            digest.push((at, record.state, runs.len()));
        }
        digest
    }
}

/// What the clients know.
#[derive(Debug, Default)]
struct Clients {
    submitted: Mutex<Vec<TaskId>>,
    /// Tasks whose good result a client has got.
    answered_well: Mutex<Vec<TaskId>>,
}

/// A client: waits for its answer, or leaves after a while.
async fn client(
    store: Store,
    dispatcher: Arc<Dispatcher>,
    body: serde_json::Value,
    key: Option<String>,
    chance: Chance,
    clients: Arc<Clients>,
) {
    let body = Bytes::from(body.to_string());
    let request = TaskRequest::parse(body.clone()).unwrap();
    let waits = request.mode.client_waits();
    let worker_key = WorkerKey::new("k");
    let idempotency = key.map(|key| Idempotency::new(IdempotencyKey::parse(&key, "key").unwrap(), &body, &worker_key));
    let submission = Submission { request, worker_key, idempotency };
    let patience = if chance.fraction() < 0.1 { chance.number() % 3_000 } else { u64::MAX / 2 };
    let answer = async {
        match dispatcher.submit(submission).await {
            Ok(Accepted::Queued(id)) => clients.submitted.lock().push(id),
            Ok(Accepted::Replied(id, reply)) => {
                clients.submitted.lock().push(id);
                if matches!(reply, Reply::Answer { status: 200, body: ReplyBody::Full(_), .. }) {
                    clients.answered_well.lock().push(id);
                }
                world::read_to_end(reply).await;
            }
            Err(refusal) if refusal.task.is_some() => {}
            Err(refusal) => panic!("refused: {refusal}"),
        }
    };
    let left = tokio::time::timeout(Duration::from_millis(patience), answer).await.is_err();
    assert!(!left || waits || store == Store::Faulty, "an async task is taken in at once");
}
