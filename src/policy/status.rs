//! How the policy in force is doing, for people and programs.

use std::sync::Arc;
use std::time::Duration;

use super::Failure;

/// How the policy in force is doing.
#[derive(Clone, Debug, Default)]
pub struct PolicyStatus {
    /// The policy, in the form of `POLICY`.
    pub policy: Arc<str>,
    /// What it calls itself; empty if it does not say.
    pub name: String,
    /// Its version: of a user's policy what it says of itself and the beginning of its file's SHA-256, else the balancer's own.
    pub version: Arc<str>,
    /// SHA-256 of its file, in hex; `None` for a native one.
    pub sha256: Option<Arc<str>>,
    /// Whether it has exactly one instance.
    pub stateful: bool,
    /// Where its calls are made.
    pub placement: Placement,
    /// Whether it is asked.
    pub circuit: Circuit,
    /// Why it could not be loaded; the native order is used in its place.
    pub load_error: Option<String>,
    /// How long it has been in force.
    pub in_force_for: Duration,
    /// Decisions so far, whoever made them in the end.
    pub decisions: u64,
    /// Times in which half and 99 percent of the decisions have been made.
    pub decision_percentiles: Option<(Duration, Duration)>,
    /// Calls into it so far: decisions, verdicts on submissions, and what it was told.
    pub calls: u64,
    /// Times in which half and 99 percent of the calls have ended.
    pub percentiles: Option<(Duration, Duration)>,
    /// Its failures by reason, those that have occurred.
    pub failures: Vec<(Failure, u64)>,
    /// Decisions that were made by the native order in its place, by reason, those that have occurred.
    pub fallbacks: Vec<(Failure, u64)>,
    /// The last failure, in a sentence.
    pub last_failure: Option<String>,
    /// Instances for calls on the threads that want decisions, beside the one on its own thread.
    pub inline_instances: usize,
    /// Bytes of memory of its instance, or of one of them.
    pub memory: usize,
    /// Lines of its log that were dropped because there were too many.
    pub dropped_log_lines: u64,
    /// The policy that is asked beside it, and not obeyed.
    pub shadow: Option<ShadowStatus>,
}

/// How a policy would do that is asked beside the one in force.
#[derive(Clone, Debug, Default)]
pub struct ShadowStatus {
    /// The policy, in the form of `POLICY`.
    pub policy: Arc<str>,
    /// Its version; `None` for a native one.
    pub version: Option<Arc<str>>,
    /// The share of decisions it is asked about.
    pub sample: f64,
    /// Its first choice, or its verdict, was that of the policy in force.
    pub agreed: u64,
    /// It was another.
    pub differed: u64,
    /// It was not asked: its thread was busy, or it fails too often.
    pub skipped: u64,
    /// It was asked and failed.
    pub failed: u64,
    /// Times in which half and 99 percent of its answers have come.
    pub percentiles: Option<(Duration, Duration)>,
    /// Why it cannot be loaded, or its last failure.
    pub trouble: Option<String>,
}

/// Where a policy's calls are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// On the thread that wants a decision.
    #[default]
    Inline,
    /// On a thread of its own.
    OwnThread,
}

/// Whether a policy is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Circuit {
    /// It is.
    #[default]
    Closed,
    /// It failed too often and is left alone for so long.
    Open {
        /// What is left of the pause.
        left: Duration,
    },
}
