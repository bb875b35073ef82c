//! One run of a task on a worker.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Candidate, Timestamp};

/// One run of a task on a worker, from delivery to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Why it went to that worker.
    pub why: Arc<Choice>,
}

impl Attempt {
    /// How long it took; `None` while it runs.
    pub fn took(&self) -> Option<Duration> {
        self.ended_at.map(|ended| ended.since(self.started_at))
    }
}

/// Why an attempt went to its worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// The policy that ranked the workers, in the form of `POLICY`.
    pub policy: Arc<str>,
    /// Its version: of a user's policy what it says of itself and the beginning of its file's SHA-256, else the balancer's own.
    pub version: Arc<str>,
    /// Why a native policy ranked them in place of the one in force, in a word; `None` if it was the one in force.
    pub fallback: Option<Arc<str>>,
    /// Where the worker stood in the ranking: 1 is the first choice, and all before it had no room any more.
    pub rank: u32,
    /// How many workers there were to choose from.
    pub candidates: u32,
    /// How long the decision took, in microseconds.
    pub took_us: u32,
    /// What was known of the worker at that moment.
    pub signals: Candidate,
    /// The worker that was left out because the attempt before failed there.
    pub left_out: Option<Arc<str>>,
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
