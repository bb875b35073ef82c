//! What people and programs are shown of policies.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::versions::KeptVersion;
use crate::policy::Scope;
use crate::task::Timestamp;

/// Events that are kept.
const EVENTS: usize = 100;

/// The policies there are, and what became of them. How those in force are doing is for
/// [`PolicyEngine::statuses`](crate::policy::PolicyEngine::statuses) to say.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The policy that was activated, in the form of `POLICY`.
    pub activated: Option<String>,
    /// Why `policies.json` as it is now is not used.
    pub rules_error: Option<String>,
    /// Why the policy that some lanes should have is not in force there.
    pub troubles: BTreeMap<Scope, String>,
    /// The files there are, by name.
    pub available: Vec<AvailablePolicy>,
    /// What happened lately, the latest first.
    pub history: Vec<PolicyEvent>,
}

/// The file of a policy.
#[derive(Clone, Debug)]
pub struct AvailablePolicy {
    /// The file's stem.
    pub name: String,
    /// Whether it was uploaded; else it is in `POLICIES_DIR`.
    pub is_uploaded: bool,
    /// There is another one of this name in `POLICIES_DIR`, with other contents.
    pub hides_another: bool,
    /// SHA-256 of the file, in hex.
    pub sha256: Arc<str>,
    /// Its size.
    pub bytes: u64,
    /// Whether it can be used; `None` while nobody has looked.
    pub check: Option<Result<PolicySummary, String>>,
    /// Whether it is in force for any lanes.
    pub is_in_force: bool,
    /// Versions of it that have been in force, the latest last.
    pub versions: Vec<KeptVersion>,
}

/// What a policy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySummary {
    /// SHA-256 of its file, in hex.
    pub sha256: Arc<str>,
    /// The name it gives itself; empty if it does not say.
    pub name: String,
    /// The version it gives itself; empty if it does not say.
    pub version: String,
    /// The interfaces it exports.
    pub exports: Vec<&'static str>,
    /// Whether it has exactly one instance.
    pub stateful: bool,
}

/// Something that happened to a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyEvent {
    /// When.
    pub at: Timestamp,
    /// What: `in_force`, `refused`, `uploaded`, `removed`, `activated`, `deactivated`, `rolled_back` or `rules_refused`.
    pub what: &'static str,
    /// The policy, in the form of `POLICY`; empty for rules.
    pub policy: String,
    /// For which lanes, if it is about some.
    pub scope: Option<Scope>,
    /// SHA-256 of its file, in hex.
    pub sha256: Option<Arc<str>>,
    /// More, in a sentence.
    pub detail: Option<String>,
}

/// What happened lately.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<PolicyEvent>);

impl History {
    pub(super) fn add(&mut self, event: PolicyEvent) {
        self.0.truncate(EVENTS - 1);
        self.0.push_front(event);
    }

    /// The latest first.
    pub(super) fn events(&self) -> Vec<PolicyEvent> {
        self.0.iter().cloned().collect()
    }
}
