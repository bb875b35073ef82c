//! Where tasks are kept.

use std::path::PathBuf;
use std::time::Duration;

use super::Source;
use super::kind::{FilePath, HOUR, Kind, Time};
use super::section::section;

/// A third of it still has to outlast a slow scheduler: leases are renewed that often.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// Whoever says where a Redis is wants it used.
const CHOOSE_REDIS: [&str; 2] = ["REDIS_URL", "REDIS_HOST"];

section! {
    /// Where tasks are kept.
    pub struct QueueSettings {
        /// The queue. `embedded`: in files in `DATA_DIR`, nothing is lost when the process ends, however it ends. `redis`: in a
        /// Redis that several balancers share, and the tools of `BullMQ` read. `memory`: nothing outlives the process. Unset:
        /// `redis` if `REDIS_HOST` or `REDIS_URL` is set.
        pub backend: QueueBackend = QUEUE, Backend, "embedded";
        /// Directory of the balancer's own files; it belongs to one process.
        pub data_dir: PathBuf = DATA_DIR, FilePath, "data";
        /// What a task of the embedded queue has survived when it is acknowledged. `system`: the end of every process. `fsync`: the
        /// loss of power too; each group of changes waits for the disk.
        pub durability: Durability = DURABILITY, DurabilityWord, "system";
        /// How long a claim on a task holds without renewal; it is renewed every third of that.
        pub lease: Duration = LEASE_MS, Time(SHORTEST_LEASE..=HOUR), "15000";
    }
}

/// A queue backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueBackend {
    /// In files of this machine.
    Embedded,
    /// In a Redis, as queues of `BullMQ`.
    Redis,
    /// In this process's memory: nothing outlives it.
    Memory,
}

impl QueueBackend {
    /// The word of `QUEUE`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Redis => "redis",
            Self::Memory => "memory",
        }
    }
}

/// The name of a [`QueueBackend`].
struct Backend;

impl Kind<QueueBackend> for Backend {
    fn parse(&self, text: &str) -> Option<QueueBackend> {
        [QueueBackend::Embedded, QueueBackend::Redis, QueueBackend::Memory]
            .into_iter()
            .find(|backend| text.eq_ignore_ascii_case(backend.word()))
    }

    fn accepted(&self) -> String {
        "embedded, redis or memory".to_owned()
    }

    fn implied(&self, source: &Source) -> Option<&'static str> {
        CHOOSE_REDIS.into_iter().any(|name| source.get(name).is_some()).then_some(QueueBackend::Redis.word())
    }
}

/// What a change of the embedded queue has survived when it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of every process: it is in the system's hands.
    #[default]
    System,
    /// The loss of power: it is on the disk.
    Disk,
}

/// The word of a [`Durability`].
struct DurabilityWord;

impl Kind<Durability> for DurabilityWord {
    fn parse(&self, text: &str) -> Option<Durability> {
        match text.to_ascii_lowercase().as_str() {
            "system" => Some(Durability::System),
            "fsync" => Some(Durability::Disk),
            _ => None,
        }
    }

    fn accepted(&self) -> String {
        "system or fsync".to_owned()
    }
}
