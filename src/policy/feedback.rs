//! What a policy hears of attempts that have ended.

use serde::{Deserialize, Serialize};

use super::exact;
use crate::task::AttemptOutcome;

/// One run of a task on a worker, for the policy to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The worker's number.
    pub worker: u32,
    /// The lane's number.
    pub lane: u32,
    /// The function's number.
    pub function: u32,
    /// Which attempt it was, 1 for the first.
    pub attempt: u32,
    /// Hash of `options.key`, 0 for none.
    pub key_hash: u64,
    /// Hash of `options.tenant`, 0 for none.
    pub tenant_hash: u64,
    /// Milliseconds from the delivery to the end.
    #[serde(with = "exact::float")]
    pub latency_ms: f32,
    /// How it ended.
    pub ending: AttemptOutcome,
    /// The status of the worker's answer, if there was one.
    pub status: Option<u16>,
    /// When it ended, in milliseconds since the Unix epoch.
    pub ended_ms: u64,
}
