//! Limits and retries of tasks.

use std::time::Duration;

use super::kind::{DAY, GB, KB, MILLISECOND, SECOND, Size, Time, Whole};
use super::section::section;

const MONTH: Duration = Duration::from_hours(30 * 24);
const YEAR: Duration = Duration::from_hours(365 * 24);

section! {
    /// Limits and retries of tasks.
    pub struct TaskSettings {
        /// How long one attempt may take. For sync and stream tasks also the client's whole wait.
        pub timeout: Duration = TASK_TIMEOUT, Time(MILLISECOND..=MONTH), "300000";
        /// Runs of a task at most.
        pub attempts: u32 = TASK_ATTEMPTS, Whole(1..=1_000), "3";
        /// The first backoff between attempts; doubled for each further one, with full jitter.
        pub backoff: Duration = TASK_BACKOFF, Time(Duration::ZERO..=DAY), "500";
        /// The longest backoff, and the longest `Retry-After` of a worker that is honoured.
        pub backoff_max: Duration = TASK_BACKOFF_MAX, Time(Duration::ZERO..=DAY), "30000";
        /// How long a client waits for a group and contract that has no ready worker.
        pub no_worker_timeout: Duration = NO_WORKER_TIMEOUT, Time(Duration::ZERO..=DAY), "10000";
        /// Tasks waiting at once; further ones are refused.
        pub max_queued: u64 = MAX_QUEUED_TASKS, Whole(1..=1_000_000_000), "1000000";
        /// How often a task may be cut off by the balancer's own end.
        pub max_interruptions: u32 = MAX_INTERRUPTIONS, Whole(0..=1_000), "10";
        /// A stream whose client takes no byte for so long is dropped.
        pub stream_idle_timeout: Duration = STREAM_IDLE_TIMEOUT, Time(MILLISECOND..=DAY), "60000";
        /// Largest result that is kept whole; a larger one reaches its client, but is kept cut.
        pub result_max_bytes: usize = RESULT_MAX_BYTES, Size(0..=GB), "1mb";
        /// How long finished tasks are kept.
        pub retention: Duration = RETENTION, Time(SECOND..=YEAR), "24h";
        /// Finished tasks kept at most.
        pub retention_count: u64 = RETENTION_COUNT, Whole(1..=1_000_000_000), "100000";
        /// Bytes of finished tasks kept at most.
        pub retention_bytes: u64 = RETENTION_BYTES, Size(KB..=1024 * GB), "1gb";
        /// How long async and webhook tasks may wait. As RETENTION unless set.
        pub queue_ttl: Duration = QUEUE_TTL, Time(SECOND..=YEAR), "$RETENTION";
    }
}
