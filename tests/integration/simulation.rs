//! A seeded simulation: the real dispatch, queue and slot code; only clock, network and chance are simulated.
//!
//! Many workers in several lanes die and come back, their reports lag, they fail, clients leave, tasks are cancelled, and the policy
//! says *wait* or names rows that do not exist. Each seed gives one course of events, and the same one every time. When all is over:
//! no slot was over-committed, no task lost, none run twice at a time or again after a success, no lane starved by another.

mod policy;
mod world;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use andera_lb::dispatch::{Accepted, CancelOutcome, DispatchSettings, Dispatcher, Parts, Submission};
use andera_lb::policy::PolicyEngine;
use andera_lb::queue::{MemoryQueue, QueueLimits, TaskQueue};
use andera_lb::task::{
    Attempt, AttemptOutcome, Chance, Clock, Idempotency, IdempotencyKey, Mode, TaskId, TaskRequest, TaskState,
    Timestamp, WorkerKey,
};
use andera_lb::telemetry::Metrics;
use andera_lb::workers::Slots;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::policy::Moody;
use self::world::World;

const SEEDS: u64 = 150;
const TASKS: usize = 250;
/// When everything must be over, in simulated time.
const END: Duration = Duration::from_hours(1);

#[test]
fn keeps_its_promises_whatever_happens() {
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| simulate(seed));
        assert!(outcome.is_ok(), "seed {seed} broke a promise; the lines above say which");
    }
}

#[test]
fn the_same_seed_takes_the_same_course() {
    assert_eq!(simulate(7), simulate(7));
    assert_ne!(simulate(7), simulate(8));
}

/// Runs one course of events; gives a digest of it.
fn simulate(seed: u64) -> Vec<(usize, TaskState, usize)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { Course::begin(seed).run().await })
}

struct Course {
    world: Arc<World>,
    dispatcher: Arc<Dispatcher>,
    queue: Arc<dyn TaskQueue>,
    chance: Chance,
    stop: CancellationToken,
    background: TaskTracker,
    policy: Arc<Moody>,
}

impl Course {
    fn begin(seed: u64) -> Self {
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
        let policy = Arc::new(Moody::default());
        let settings = andera_lb::config::Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap();
        let dispatcher = Dispatcher::new(Parts {
            queue: Arc::clone(&queue),
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
                lease: Duration::from_secs(15),
                policy_wait: Duration::from_millis(250),
            },
        });
        let (stop, background) = (CancellationToken::new(), TaskTracker::new());
        let (held, stopped) = (Arc::clone(&queue), stop.clone());
        background.spawn(async move { held.run(stopped).await });
        background.spawn(Arc::clone(&dispatcher).run_upkeep());
        background.spawn(Arc::clone(&world).live(stop.clone()));
        Self { world, dispatcher, queue, chance, stop, background, policy }
    }

    async fn run(self) -> Vec<(usize, TaskState, usize)> {
        let submitted: Arc<Mutex<Vec<TaskId>>> = Arc::default();
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
                    Arc::clone(&self.dispatcher),
                    task.clone(),
                    key.clone(),
                    self.chance.clone(),
                    Arc::clone(&submitted),
                ));
            }
            if self.chance.fraction() < 0.03 {
                let ids = submitted.lock().clone();
                let picked = usize::try_from(self.chance.number() % ids.len().max(1) as u64).unwrap();
                if let Some(id) = ids.get(picked)
                    && self.dispatcher.cancel(*id).await.unwrap() == CancelOutcome::Stopping
                {
                    told_to_stop.push((*id, self.dispatcher.clock().now()));
                }
            }
        }
        // From here on the world is kind: whatever has not ended by now must end.
        self.world.calm_down();
        self.policy.calm_down();
        clients.close();
        tokio::time::timeout(END, clients.wait()).await.expect("every client got its answer");
        tokio::time::timeout(END, self.all_ended()).await.expect("every task ended");
        for (id, at) in told_to_stop {
            let record = self.queue.get(id).await.unwrap().expect("it is kept");
            let begun_later = |run: &&Attempt| run.started_at > at && run.outcome != Some(AttemptOutcome::Cancelled);
            assert_eq!(record.attempts.iter().find(begun_later), None, "{id} was told to stop at {at:?}");
        }
        let digest = self.check().await;
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
        assert_eq!(page.tasks.len(), TASKS, "one task a key");
        let mut digest = Vec::new();
        for (at, record) in page.tasks.iter().enumerate() {
            let runs = runs.get(&record.spec.id).map(Vec::as_slice).unwrap_or_default();
            assert!(record.state.is_ending(), "{record:?}");
            world::assert_no_two_runs_at_once(record, runs);
            let successes = runs.iter().filter(|run| run.answered_well).count();
            assert!(successes <= 1, "run again after a success: {record:?} {runs:?}");
            assert_eq!(successes == 1, record.state == TaskState::Completed, "{record:?} {runs:?}");
            let allowed = record.spec.options.attempts.unwrap_or(3) as usize;
            assert!(record.attempts.len() <= allowed, "{record:?}");
            // An attempt may be cut off before the worker sees it; a run without an attempt would be one that nobody counts.
            assert!(runs.len() <= record.attempts.len(), "each run is an attempt: {record:?} {runs:?}");
            assert_eq!(record.interruptions, 0);
            digest.push((at, record.state, runs.len()));
        }
        digest
    }
}

/// A client: waits for its answer, or leaves after a while.
async fn client(
    dispatcher: Arc<Dispatcher>,
    body: serde_json::Value,
    key: Option<String>,
    chance: Chance,
    submitted: Arc<Mutex<Vec<TaskId>>>,
) {
    let body = Bytes::from(body.to_string());
    let request = TaskRequest::parse(body.clone()).unwrap();
    let waits = request.mode != Mode::Async;
    let worker_key = WorkerKey::new("k");
    let idempotency = key.map(|key| Idempotency::new(IdempotencyKey::parse(&key, "key").unwrap(), &body, &worker_key));
    let submission = Submission { request, worker_key, idempotency };
    let patience = if chance.fraction() < 0.1 { chance.number() % 3_000 } else { u64::MAX / 2 };
    let answer = async {
        match dispatcher.submit(submission).await {
            Ok(Accepted::Queued(id)) => submitted.lock().push(id),
            Ok(Accepted::Replied(id, reply)) => {
                submitted.lock().push(id);
                world::read_to_end(reply).await;
            }
            Err(refusal) if refusal.task.is_some() => {}
            Err(refusal) => panic!("refused: {refusal}"),
        }
    };
    let left = tokio::time::timeout(Duration::from_millis(patience), answer).await.is_err();
    assert!(!left || waits, "an async task is taken in at once");
}
