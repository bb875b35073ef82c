//! The worker list and how its workers are watched.

use std::path::PathBuf;
use std::time::Duration;

use super::kind::{FilePath, HOUR, MILLISECOND, Time, Whole};
use super::section::section;

/// Shorter ones would only load the workers.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

section! {
    /// The worker list and how its workers are watched.
    pub struct WorkerSettings {
        /// JSON array of the workers' base URLs. Changes are noticed while the balancer runs.
        pub file: PathBuf = WORKERS_FILE, FilePath, "workers.json";
        /// Time between two health checks of one worker.
        pub discovery_interval: Duration = WORKER_DISCOVERY_INTERVAL, Time(SHORTEST_INTERVAL..=HOUR), "3000";
        /// How long one health check may take.
        pub discovery_timeout: Duration = WORKER_DISCOVERY_TIMEOUT, Time(MILLISECOND..=HOUR), "3000";
        /// Failed health checks in a row that a worker with a live heartbeat may have.
        pub discovery_retries: u32 = WORKER_DISCOVERY_RETRIES, Whole(0..=1_000_000), "10";
        /// Time between two pings to a worker.
        pub heartbeat_interval: Duration = WS_HEARTBEAT_INTERVAL, Time(SHORTEST_INTERVAL..=HOUR), "3000";
        /// How long a worker may stay silent after a ping.
        pub heartbeat_timeout: Duration = WS_HEARTBEAT_TIMEOUT, Time(MILLISECOND..=HOUR), "3000";
    }
}
