//! The store at its limits: full disks, failing ones, small files.

mod disk;
mod dying;
mod failing;
mod full;
mod random;
mod small;
mod waiting;

use std::path::Path;
use std::sync::Arc;

use wal_db::WalStore;

use self::disk::Disk;
use super::files::Files;
use super::sizes::Sizes;
use super::*;
use crate::config::Settings;
use crate::queue::conformance::{LEASE, limits};
use crate::queue::*;
use crate::task::{Chance, Contract, Mode, Priority, TaskOptions, TaskSpec, TaskState, WorkerKey};

/// Files of four kilobytes, copied when more than two are waste.
const SMALL: Sizes = Sizes { segment: 4096, slack: 8192, step: 1024, reserve: 16_384 };

/// What a test stands on: a directory, and what outlives the queues that are opened there.
struct Bench {
    directory: tempfile::TempDir,
    limits: QueueLimits,
    durability: Durability,
    sizes: Sizes,
    disk: Arc<Disk>,
    clock: Clock,
    chance: Chance,
}

impl Bench {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            limits: limits(),
            durability: Durability::System,
            sizes: SMALL,
            disk: Arc::default(),
            clock: Clock::system(),
            chance: Chance::seeded(7),
        }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.directory.path().join(QUEUE)
    }

    fn open(&self) -> EmbeddedQueue {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<EmbeddedQueue, OpenError> {
        let settings = Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap();
        let (sealer, sizes) = (Sealer::new(&settings.auth).unwrap(), self.sizes);
        let files = |folder: &Path| {
            let store: Arc<dyn WalStore> = Arc::new(self.disk.store(folder, sizes)?);
            Ok(Files::of(store, folder, sizes.segment))
        };
        let (data, limits, clock) = (self.directory.path(), self.limits.clone(), self.clock.clone());
        EmbeddedQueue::open_on(data, limits, clock, sealer, self.durability, sizes, files)
    }

    fn task(&self, group: &str, bytes: usize) -> NewTask {
        let now = self.clock.now();
        let spec = TaskSpec {
            id: TaskId::new(now, self.chance.wide_number()),
            lane: lane(group),
            function: "f".into(),
            mode: Mode::Async,
            options: TaskOptions::default(),
            body: vec![b'x'; bytes].into(),
            worker_key: WorkerKey::new("k"),
            webhook: None,
            created_at: now,
            expires_at: now.after(std::time::Duration::from_hours(100)),
            resumable: false,
            idempotency: None,
        };
        NewTask { spec: Arc::new(spec), priority: None, run_at: None }
    }

    async fn add(&self, queue: &EmbeddedQueue, group: &str, bytes: usize) -> TaskId {
        let task = self.task(group, bytes);
        let id = task.spec.id;
        assert_eq!(queue.enqueue(task).await, Ok(Enqueued::New));
        id
    }

    fn request(&self) -> ClaimRequest {
        ClaimRequest::new(RequestId(self.chance.number()), LEASE)
    }

    async fn claim(&self, queue: &EmbeddedQueue, group: &str) -> Option<Claim> {
        queue.claim(&lane(group), self.request()).await.unwrap()
    }

    /// Runs so many tasks of a kilobyte to their ends.
    async fn churn(&self, queue: &EmbeddedQueue, tasks: usize) {
        for _ in 0..tasks {
            self.add(queue, "churn", 1_000).await;
            let claim = self.claim(queue, "churn").await.unwrap();
            queue.settle(&claim.lease, crate::queue::conformance::complete()).await.unwrap();
        }
    }

    /// Bytes in the files of the log.
    fn log_bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.folder()).unwrap().map(Result::unwrap);
        let wal = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "wal"));
        wal.map(|file| file.metadata().unwrap().len()).sum()
    }
}

fn lane(group: &str) -> LaneKey {
    LaneKey::new(group, Contract::new(1.0).unwrap())
}
