//! Limits and retries of tasks.

use std::time::Duration;

/// Limits and retries of tasks.
#[derive(Clone, Debug)]
pub struct TaskSettings {
    /// `TASK_TIMEOUT` (300000 ms): one attempt; for sync and stream also the client's whole wait.
    pub timeout: Duration,
    /// `TASK_ATTEMPTS` (3): runs of a task at most.
    pub attempts: u32,
    /// `TASK_BACKOFF` (500 ms): the first backoff; doubled for each further one, with full jitter.
    pub backoff: Duration,
    /// `TASK_BACKOFF_MAX` (30000 ms): the longest backoff, and the longest `Retry-After` of a worker that is honoured.
    pub backoff_max: Duration,
    /// `QUEUE_TTL` (= `RETENTION`): how long async and webhook tasks may wait.
    pub queue_ttl: Duration,
    /// `NO_WORKER_TIMEOUT` (10000 ms): how long a client waits in a lane without a ready worker.
    pub no_worker_timeout: Duration,
    /// `MAX_QUEUED_TASKS` (1000000): tasks waiting at once.
    pub max_queued: u64,
    /// `RESULT_MAX_BYTES` (1mb): of a result that is stored.
    pub result_max_bytes: usize,
    /// `RETENTION` (24h): how long finished tasks are kept.
    pub retention: Duration,
    /// `RETENTION_COUNT` (100000): finished tasks kept.
    pub retention_count: u64,
    /// `RETENTION_BYTES` (1gb): bytes of finished tasks kept.
    pub retention_bytes: u64,
    /// `STREAM_IDLE_TIMEOUT` (60000 ms): a stream whose client takes no byte for so long is dropped.
    pub stream_idle_timeout: Duration,
    /// `MAX_INTERRUPTIONS` (10): how often a task may be cut off by the balancer's own end.
    pub max_interruptions: u32,
}
