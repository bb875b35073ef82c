//! The registry against workers over real sockets.

mod discovery;
mod heartbeat;
mod list;
mod test_worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::test_worker::{KEY, TestWorker};
use super::{Fleet, FleetTasks, LaneSlots, Slots, Worker, WorkerAddress};
use crate::config::{Secret, WorkerSettings};
use crate::task::{Clock, Contract, LaneKey};
use crate::telemetry::{Metrics, Snapshot};

/// How long anything may take; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than any test.
const NEVER: Duration = Duration::from_hours(1);

struct Rig {
    fleet: Fleet,
    slots: Arc<Slots>,
    metrics: Metrics,
    cancel: CancellationToken,
    tasks: FleetTasks,
}

fn settings() -> WorkerSettings {
    WorkerSettings {
        file: PathBuf::from("workers.json"),
        discovery_interval: Duration::from_millis(100),
        discovery_timeout: Duration::from_secs(5),
        discovery_retries: 10,
        heartbeat_interval: Duration::from_millis(100),
        heartbeat_timeout: Duration::from_secs(5),
    }
}

impl Rig {
    async fn over(workers: &[&TestWorker], settings: &WorkerSettings) -> Self {
        Self::with_key(workers, settings, KEY).await
    }

    async fn with_key(workers: &[&TestWorker], settings: &WorkerSettings, key: &str) -> Self {
        let addresses: Vec<_> = workers.iter().map(|worker| WorkerAddress::parse(&worker.url).unwrap()).collect();
        let (slots, metrics, cancel) = (Arc::new(Slots::default()), Metrics::new(), CancellationToken::new());
        let (fleet, tasks) = Fleet::fixed(
            addresses,
            settings,
            Secret::new(key),
            Arc::clone(&slots),
            Clock::system(),
            metrics.clone(),
            cancel.clone(),
        )
        .await
        .unwrap();
        Self { fleet, slots, metrics, cancel, tasks }
    }

    async fn from_file(settings: &WorkerSettings) -> Self {
        let (slots, metrics, cancel) = (Arc::new(Slots::default()), Metrics::new(), CancellationToken::new());
        let (fleet, tasks) = Fleet::start(
            settings,
            Secret::new(KEY),
            Arc::clone(&slots),
            Clock::system(),
            metrics.clone(),
            cancel.clone(),
        )
        .await
        .unwrap();
        Self { fleet, slots, metrics, cancel, tasks }
    }

    /// Waits until a counter shows that number.
    async fn until_counted(&self, counter: &str, count: u32) {
        let line = format!("\nandera_lb_{counter}_total {count}\n");
        let shown = || self.metrics.render(&Snapshot::default());
        until(|| shown().contains(&line), shown).await;
    }

    fn lane(&self, group: &str) -> Arc<LaneSlots> {
        self.slots.lane(&LaneKey::new(group, Contract::new(1.0).unwrap()))
    }

    fn free(&self) -> u64 {
        self.lane("g").standing().free
    }

    fn view(&self, worker: &TestWorker) -> Worker {
        self.fleet.worker(self.fleet.find(&worker.url).unwrap()).unwrap()
    }

    fn status(&self, worker: &TestWorker) -> String {
        self.view(worker).status.to_string()
    }

    fn reason(&self, worker: &TestWorker) -> String {
        self.view(worker).status_reason.as_deref().unwrap_or_default().to_owned()
    }

    async fn until_status(&self, worker: &TestWorker, status: &str) {
        until(|| self.status(worker) == status, || format!("{:?} is not {status}", self.view(worker))).await;
    }

    async fn until_free(&self, free: u64) {
        until(|| self.free() == free, || format!("{:?}, not {free}", self.lane("g").standing())).await;
    }

    async fn stop(self) {
        self.cancel.cancel();
        tokio::time::timeout(DEADLINE, self.tasks.finished()).await.expect("the tasks have not ended");
    }
}

async fn until(condition: impl Fn() -> bool, complaint: impl Fn() -> String) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "{}", complaint());
        sleep(Duration::from_millis(5)).await;
    }
}
