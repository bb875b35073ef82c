//! Whether a submission becomes a task, and of which priority.

use std::time::Duration;

use crate::task::{LaneKey, Mode, Priority};

/// What a policy is told of a submission.
#[derive(Clone, Copy, Debug)]
pub struct SubmissionView<'a> {
    /// Its lane.
    pub lane: &'a LaneKey,
    /// Its function.
    pub function: &'a str,
    /// The priority asked for.
    pub priority: Option<Priority>,
    /// How the result comes back.
    pub mode: Mode,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// `options.key`.
    pub key: Option<&'a str>,
    /// `options.tenant`.
    pub tenant: Option<&'a str>,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// A fresh random number.
    pub seed: u64,
}

/// What is to become of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It becomes a task of that priority.
    Accepted(Option<Priority>),
    /// It is refused: no task is created.
    Rejected {
        /// A sentence for the client.
        reason: String,
        /// When to try again.
        retry_after: Option<Duration>,
    },
}
