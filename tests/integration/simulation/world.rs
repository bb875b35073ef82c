//! The simulated workers and the network to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use andera_lb::dispatch::{Reply, ReplyBody, StreamPart};
use andera_lb::task::{Chance, Clock, Contract, LaneKey, TaskId, TaskRecord};
use andera_lb::upstream::{Answer, AnswerBody, Delivery, DeliveryError, Notice, Notifier, Upstream};
use andera_lb::workers::{SlotReport, Slots, WorkerAddress, WorkerId, WorkerProbe, WorkerStanding};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const LANES: [&str; 4] = ["steady", "flaky", "tiny", "deserted"];
/// A lane with a healthy worker and nothing to wait for but its slots gets through its tasks in that time.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) struct World {
    slots: Arc<Slots>,
    clock: Clock,
    chance: Chance,
    calm: AtomicBool,
    workers: Vec<Arc<Worker>>,
    runs: Arc<Mutex<Vec<Run>>>,
    overcommitted: Mutex<Vec<String>>,
    /// Tasks whose webhooks were told that they have failed.
    noticed: Mutex<Vec<TaskId>>,
}

struct Worker {
    id: WorkerId,
    lane: LaneKey,
    address: Arc<WorkerAddress>,
    limit: u32,
    state: Mutex<WorkerState>,
}

#[derive(Default)]
struct WorkerState {
    alive: bool,
    /// Cancelled when the worker dies.
    life: CancellationToken,
    /// Requests of ours whose connection is open.
    open: u32,
    /// Functions running, abandoned ones included.
    running: u32,
}

/// One run of a task on a worker, as the worker saw it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) task: TaskId,
    pub(super) began: Instant,
    pub(super) ended: Option<Instant>,
    pub(super) answered_well: bool,
}

impl World {
    pub(super) fn new(slots: &Arc<Slots>, clock: &Clock, chance: &Chance) -> Arc<Self> {
        let mut workers = Vec::new();
        for (lane, count) in LANES.iter().zip([3, 4, 1, 0]) {
            for _ in 0..count {
                let number = u32::try_from(workers.len()).unwrap();
                workers.push(Arc::new(Worker {
                    id: WorkerId(number),
                    lane: LaneKey::new(*lane, Contract::new(1.0).unwrap()),
                    address: Arc::new(WorkerAddress::parse(&format!("http://worker-{number}")).unwrap()),
                    limit: if *lane == "tiny" { 1 } else { 1 + u32::try_from(chance.number() % 4).unwrap() },
                    state: Mutex::default(),
                }));
            }
        }
        let world = Arc::new(Self {
            slots: Arc::clone(slots),
            clock: clock.clone(),
            chance: chance.clone(),
            calm: AtomicBool::new(false),
            workers,
            runs: Arc::default(),
            overcommitted: Mutex::default(),
            noticed: Mutex::default(),
        });
        for worker in &world.workers {
            world.revive(worker);
        }
        world
    }

    pub(super) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
        for worker in &self.workers {
            self.revive(worker);
        }
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub(super) fn random_task(&self) -> serde_json::Value {
        let pick = self.chance.number() % 100;
        // A flood in one lane beside the others.
        let lane = LANES[match pick {
            0..=59 => 0,
            60..=79 => 1,
            80..=94 => 2,
            _ => 3,
        }];
        let mode = ["sync", "async", "stream", "webhook"][(self.chance.number() % 4) as usize];
        let mut options = json!({});
        if self.chance.fraction() < 0.1 {
            options["timeoutMs"] = json!(200 + self.chance.number() % 5_000);
        }
        if self.chance.fraction() < 0.1 {
            options["attempts"] = json!(1 + self.chance.number() % 3);
        }
        if self.chance.fraction() < 0.1 {
            options["delayMs"] = json!(self.chance.number() % 3_000);
        }
        let mode = if lane == "deserted" { "sync" } else { mode };
        json!({
            "group": lane, "function": "f", "contract": 1, "mode": mode,
            "priority": self.chance.number() % 5, "options": options, "webhook": { "url": "http://receiver" },
        })
    }

    /// Workers report, pass health checks, die and come back, until `stop`.
    pub(super) async fn live(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(250))).await.is_some() {
            for worker in &self.workers {
                let luck = self.chance.fraction();
                let alive = worker.state.lock().alive;
                if alive && worker.lane.group.as_ref() == "flaky" && luck < 0.02 && !self.is_calm() {
                    self.kill(worker);
                } else if !alive && luck < 0.2 {
                    self.revive(worker);
                } else if alive && luck < 0.4 {
                    self.report_late(worker);
                }
                if alive && self.chance.fraction() < 0.1 {
                    self.slots.lane(&worker.lane).health_passed(worker.id, self.clock.now());
                }
            }
        }
    }

    fn kill(&self, worker: &Worker) {
        let mut state = worker.state.lock();
        state.alive = false;
        state.running = 0;
        std::mem::take(&mut state.life).cancel();
        drop(state);
        let standing = WorkerStanding { ready: false, eligible: false, weight: 1.0 };
        // The registry notices a death only after a while, or never: then requests fail to connect.
        if self.chance.fraction() < 0.5 {
            self.slots.lane(&worker.lane).set_worker(worker.id, &worker.address, standing);
        }
    }

    fn revive(&self, worker: &Worker) {
        worker.state.lock().alive = true;
        let lane = self.slots.lane(&worker.lane);
        let standing = WorkerStanding { ready: true, eligible: true, weight: 1.0 };
        lane.set_worker(worker.id, &worker.address, standing);
        lane.health_passed(worker.id, self.clock.now());
        self.report_now(worker);
    }

    fn report(worker: &Worker) -> SlotReport {
        let used = worker.state.lock().running;
        SlotReport {
            limit: worker.limit,
            used: used.min(worker.limit),
            queue: used.saturating_sub(worker.limit),
            cpu: Some(0.5),
            memory: None,
        }
    }

    fn report_now(&self, worker: &Worker) {
        self.slots.lane(&worker.lane).report(worker.id, &Self::report(worker));
    }

    /// A report that arrives some time after it was written.
    fn report_late(&self, worker: &Worker) {
        let report = Self::report(worker);
        let lag = Duration::from_millis(self.chance.number() % 200);
        let (lane, id) = (self.slots.lane(&worker.lane), worker.id);
        tokio::spawn(async move {
            tokio::time::sleep(lag).await;
            lane.report(id, &report);
        });
    }

    pub(super) fn runs(&self) -> HashMap<TaskId, Vec<Run>> {
        let mut runs: HashMap<TaskId, Vec<Run>> = HashMap::new();
        for run in self.runs.lock().iter() {
            runs.entry(run.task).or_default().push(run.clone());
        }
        runs
    }

    /// How often the webhook of a task was told that it has failed.
    pub(super) fn notices_of(&self, task: TaskId) -> usize {
        self.noticed.lock().iter().filter(|noticed| **noticed == task).count()
    }

    pub(super) fn assert_never_overcommitted(&self) {
        assert_eq!(*self.overcommitted.lock(), Vec::<String>::new());
    }

    /// The lane with steady workers is flooded, the one with a single slot is not: neither waits for the other, nor for the lane
    /// that has nobody.
    pub(super) fn assert_no_lane_starved(&self) {
        let runs = self.runs.lock();
        let first = runs.iter().map(|run| run.began).min().unwrap();
        let last = runs.iter().map(|run| run.began).max().unwrap();
        assert!(last - first < PATIENCE, "the last task began {:?} after the first", last - first);
    }

    fn worker_at(&self, uri: &http::Uri) -> &Arc<Worker> {
        let host = uri.host().unwrap();
        self.workers.iter().find(|worker| worker.address.host() == host).unwrap()
    }
}

/// A request of ours to a worker. Dropping it closes the connection; the function runs on.
struct OpenRequest<'a>(&'a Worker);

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.0.state.lock().open -= 1;
    }
}

/// A function that runs on a worker, whether or not anybody still waits for it.
struct Function {
    worker: Arc<Worker>,
    runs: Arc<Mutex<Vec<Run>>>,
    run: usize,
    life: CancellationToken,
}

impl Function {
    /// Runs to its end or to its worker's; only at its own end somebody is told.
    async fn run(self, takes: Duration, told: oneshot::Sender<()>) {
        let ended = self.life.run_until_cancelled(tokio::time::sleep(takes)).await.is_some();
        self.runs.lock()[self.run].ended = Some(Instant::now());
        if ended {
            self.worker.state.lock().running -= 1;
            let _ = told.send(());
        }
    }
}

#[async_trait]
impl Upstream for World {
    async fn deliver(&self, delivery: Delivery) -> Result<Answer, DeliveryError> {
        let worker = self.worker_at(&delivery.uri);
        tokio::time::sleep(Duration::from_millis(self.chance.number() % 5)).await;
        let (life, open) = {
            let mut state = worker.state.lock();
            if !state.alive {
                return Err(DeliveryError::Connect("refused".to_owned()));
            }
            state.open += 1;
            state.running += 1;
            (state.life.clone(), state.open)
        };
        let _request = OpenRequest(worker);
        if open > worker.limit {
            self.overcommitted.lock().push(format!("{:?}: {open} of {}", worker.address, worker.limit));
        }
        let run = {
            let mut runs = self.runs.lock();
            runs.push(Run { task: delivery.task, began: Instant::now(), ended: None, answered_well: false });
            runs.len() - 1
        };
        let takes = Duration::from_millis(10 + self.chance.number() % 800);
        let fails = self.chance.fraction() < 0.1;
        let breaks = !self.is_calm() && self.chance.fraction() < 0.03;
        let function = Function { worker: Arc::clone(worker), runs: Arc::clone(&self.runs), run, life };
        let (told, answer) = oneshot::channel();
        tokio::spawn(function.run(takes, told));
        match answer.await {
            Ok(()) if breaks => Err(DeliveryError::Broken("reset".to_owned())),
            Ok(()) if fails => Ok(plain(500, "{\"success\":false,\"error\":\"chance\"}")),
            Ok(()) => {
                self.runs.lock()[run].answered_well = true;
                Ok(plain(200, "{\"success\":true}"))
            }
            Err(_) => Err(DeliveryError::Broken("the worker died".to_owned())),
        }
    }
}

fn plain(status: u16, body: &'static str) -> Answer {
    let chunks = [Ok(Bytes::from_static(&body.as_bytes()[..4])), Ok(Bytes::from_static(&body.as_bytes()[4..]))];
    Answer {
        status,
        content_type: None,
        retry_after: None,
        body: AnswerBody::from_stream(futures_util::stream::iter(chunks).boxed()),
    }
}

#[async_trait]
impl Notifier for World {
    async fn notify(&self, notice: Notice) {
        tokio::time::sleep(Duration::from_millis(self.chance.number() % 2_000)).await;
        self.noticed.lock().push(notice.task);
    }
}

impl WorkerProbe for World {
    fn suspect(&self, worker: WorkerId) {
        self.slots.lane(&self.workers[worker.0 as usize].lane).suspect(worker);
        self.probe_now(worker);
    }

    fn probe_now(&self, worker: WorkerId) {
        let worker = &self.workers[worker.0 as usize];
        if worker.state.lock().alive {
            let (lane, id, clock) = (self.slots.lane(&worker.lane), worker.id, self.clock.clone());
            let report = Self::report(worker);
            let lag = Duration::from_millis(1 + self.chance.number() % 50);
            tokio::spawn(async move {
                tokio::time::sleep(lag).await;
                lane.health_passed(id, clock.now());
                lane.report(id, &report);
            });
        }
    }
}

/// Reads a reply to its end, as a client does.
pub(super) async fn read_to_end(reply: Reply) {
    if let Reply::Answer { body: ReplyBody::Stream(mut parts), .. } = reply {
        while let Some(StreamPart::Chunk(_)) = parts.recv().await {}
    }
}

/// A task never runs twice at once, unless a run was cut off and goes on unseen.
pub(super) fn assert_no_two_runs_at_once(record: &TaskRecord, runs: &[Run]) {
    for (n, pair) in runs.windows(2).enumerate() {
        let cut_off = record.attempts[n].status.is_none();
        assert!(cut_off || pair[0].ended.unwrap() <= pair[1].began, "two runs at once: {record:?} {runs:?}");
    }
}
