//! Who ranks the workers.

use std::time::Duration;

use super::kind::{Kind, MILLISECOND, MINUTE, Time};
use super::section::section;

section! {
    /// Who ranks the workers.
    pub struct PolicySettings {
        /// One of native:least-loaded, native:peak-ewma, native:round-robin and native:andera-score.
        pub choice: PolicyChoice = POLICY, Choice, "native:least-loaded";
        /// When a task that the policy told to wait is asked for again at the latest.
        pub wait: Duration = POLICY_WAIT_MS, Time(MILLISECOND..=MINUTE), "250";
    }
}

/// The policy chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyChoice {
    /// `native:<name>`. Whether a policy of that name exists is not checked here.
    Native(String),
}

/// The form `native:<name>`.
struct Choice;

impl Kind<PolicyChoice> for Choice {
    fn parse(&self, text: &str) -> Option<PolicyChoice> {
        let name = text.strip_prefix("native:")?.trim();
        (!name.is_empty()).then(|| PolicyChoice::Native(name.to_owned()))
    }

    fn accepted(&self) -> String {
        "native:<name>".to_owned()
    }
}
