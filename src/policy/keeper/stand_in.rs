//! What takes the place of a policy that cannot be used at a start.

use std::sync::Arc;

use super::plan::Wanted;
use super::reloader::Reloader;
use crate::config::PolicyChoice;
use crate::policy::Scope;
use crate::policy::assigned::Assigned;

impl Reloader {
    /// The version that was in use last, if it was kept and still can be used; else nothing, and every decision says so.
    pub(super) fn stand_in(&self, scope: &Scope, wanted: &Wanted, error: &str) -> (Option<Wanted>, Arc<Assigned>) {
        let policy = &wanted.choice;
        if let Some((last, assigned)) = self.last_good(wanted) {
            tracing::warn!(%policy, lanes = %scope, version = %assigned.version(), "the version that was in use last takes its place");
            return (Some(last), Arc::new(assigned));
        }
        tracing::warn!(%policy, lanes = %scope, "the native order takes its place");
        (None, Arc::new(Assigned::missing(&policy.to_string(), error.to_owned())))
    }

    fn last_good(&self, wanted: &Wanted) -> Option<(Wanted, Assigned)> {
        let PolicyChoice::Wasm(name) = &wanted.choice else { return None };
        let version = self.versions.of(name).last()?;
        let last = Wanted { sha256: Some(Arc::clone(&version.sha256)), ..wanted.clone() };
        let file = self.versions.read(&version.sha256).ok()?;
        let assigned = self.load_bytes(&last, file).and_then(|loaded| Assigned::wasm(loaded.policy)).ok()?;
        Some((last, assigned))
    }
}
