//! Where tasks are kept.

use std::path::PathBuf;
use std::time::Duration;

/// Where tasks are kept.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// `QUEUE` (memory).
    pub backend: QueueBackend,
    /// `DATA_DIR` (data): the balancer's own files.
    pub data_dir: PathBuf,
    /// `LEASE_MS` (15000): how long a claim holds without renewal; renewed every third of it.
    pub lease: Duration,
}

/// A queue backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueBackend {
    /// In this process's memory: nothing outlives it.
    Memory,
}
