//! The worker list and how its workers are watched.

use std::path::PathBuf;
use std::time::Duration;

/// The worker list and how its workers are watched.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// `WORKERS_FILE` (workers.json): a JSON array of base URLs.
    pub file: PathBuf,
    /// `WORKER_DISCOVERY_INTERVAL` (3000 ms): between two health checks of one worker.
    pub discovery_interval: Duration,
    /// `WORKER_DISCOVERY_TIMEOUT` (3000 ms): of one health check.
    pub discovery_timeout: Duration,
    /// `WORKER_DISCOVERY_RETRIES` (10): failed health checks in a row that a worker with a live heartbeat may have.
    pub discovery_retries: u32,
    /// `WS_HEARTBEAT_INTERVAL` (3000 ms): between two pings.
    pub heartbeat_interval: Duration,
    /// `WS_HEARTBEAT_TIMEOUT` (3000 ms): for any frame after a ping.
    pub heartbeat_timeout: Duration,
}
