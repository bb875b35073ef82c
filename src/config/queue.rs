//! Where tasks are kept.

use std::path::PathBuf;
use std::time::Duration;

use super::kind::{FilePath, HOUR, Kind, Time};
use super::section::section;

/// A third of it still has to outlast a slow scheduler: leases are renewed that often.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

section! {
    /// Where tasks are kept.
    pub struct QueueSettings {
        /// The queue. This version knows `memory` only: nothing outlives the process.
        pub backend: QueueBackend = QUEUE, Backend, "memory";
        /// Directory of the balancer's own files.
        pub data_dir: PathBuf = DATA_DIR, FilePath, "data";
        /// How long a claim on a task holds without renewal; it is renewed every third of that.
        pub lease: Duration = LEASE_MS, Time(SHORTEST_LEASE..=HOUR), "15000";
    }
}

/// A queue backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueBackend {
    /// In this process's memory: nothing outlives it.
    Memory,
}

/// The name of a [`QueueBackend`].
struct Backend;

impl Kind<QueueBackend> for Backend {
    fn parse(&self, text: &str) -> Option<QueueBackend> {
        text.eq_ignore_ascii_case("memory").then_some(QueueBackend::Memory)
    }

    fn accepted(&self) -> String {
        "memory, the only queue of this version".to_owned()
    }
}
