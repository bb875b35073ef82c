//! What a policy is told of the task to place.

use serde::{Deserialize, Serialize};

use crate::task::Mode;

/// What a policy is told of the task to place. Numbers only; the texts behind lane and function are told once, at every change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankContext {
    /// The lane's number.
    pub lane: u32,
    /// The function's number within the balancer.
    pub function: u32,
    /// The priority, 0 for none.
    pub priority: u32,
    /// Which attempt this will be, 1 for the first.
    pub attempt: u32,
    /// How the result comes back.
    pub mode: Mode,
    /// Milliseconds since submission.
    pub age_ms: u64,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Hash of `options.key`, 0 for none.
    pub key_hash: u64,
    /// Hash of `options.tenant`, 0 for none.
    pub tenant_hash: u64,
    /// Milliseconds since the Unix epoch: a policy's only clock.
    pub now_ms: u64,
    /// A fresh random number: a policy's only source of chance.
    pub seed: u64,
    /// How many rows were tried before for this same decision.
    pub tried: u32,
}
