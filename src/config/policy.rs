//! Who ranks the workers.

use std::time::Duration;

/// Who ranks the workers.
#[derive(Clone, Debug)]
pub struct PolicySettings {
    /// `POLICY` (native:least-loaded).
    pub choice: PolicyChoice,
    /// `POLICY_WAIT_MS` (250): when a task that a policy told to wait is asked for again at the latest.
    pub wait: Duration,
}

/// The policy chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyChoice {
    /// `native:<name>`.
    Native(String),
}
