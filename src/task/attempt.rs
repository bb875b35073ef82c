//! One run of a task on a worker.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// One run of a task on a worker, from delivery to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// 1 for the first.
    pub n: u32,
    /// The worker's address.
    pub worker: Arc<str>,
    /// When the request was sent.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<AttemptOutcome>,
    /// The status of the worker's answer, if there was one.
    pub status: Option<u16>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The worker answered with success.
    Completed,
    /// The worker answered with an error.
    Failed,
    /// The worker broke off.
    Disconnected,
    /// The time limit passed.
    TimedOut,
    /// The task was cancelled, or its client left.
    Cancelled,
    /// The balancer itself stopped.
    Interrupted,
}
