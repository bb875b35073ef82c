//! Submissions that outlive the request.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::policy::{SubmissionView, exact};
use crate::task::{Contract, LaneKey, Mode, Priority};

/// A [`SubmissionView`] that can be sent, and written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OwnedSubmission {
    #[serde(with = "Lane")]
    lane: LaneKey,
    function: String,
    priority: Option<Priority>,
    mode: Mode,
    body_bytes: u64,
    key: Option<String>,
    tenant: Option<String>,
    now_ms: u64,
    seed: u64,
}

/// A [`LaneKey`] whose contract comes back as it was.
#[derive(Serialize, Deserialize)]
#[serde(remote = "LaneKey")]
struct Lane {
    group: Arc<str>,
    #[serde(with = "exact::contract")]
    contract: Contract,
}

impl OwnedSubmission {
    pub(super) fn of(view: &SubmissionView<'_>) -> Self {
        Self {
            lane: view.lane.clone(),
            function: view.function.to_owned(),
            priority: view.priority,
            mode: view.mode,
            body_bytes: view.body_bytes,
            key: view.key.map(str::to_owned),
            tenant: view.tenant.map(str::to_owned),
            now_ms: view.now_ms,
            seed: view.seed,
        }
    }

    pub(super) fn view(&self) -> SubmissionView<'_> {
        SubmissionView {
            lane: &self.lane,
            function: &self.function,
            priority: self.priority,
            mode: self.mode,
            body_bytes: self.body_bytes,
            key: self.key.as_deref(),
            tenant: self.tenant.as_deref(),
            now_ms: self.now_ms,
            seed: self.seed,
        }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.function.len() + text(&self.key) + text(&self.tenant)
    }
}
