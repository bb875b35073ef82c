//! Label sets. Every value comes from a fixed list or from the configuration, so the number of series is bounded.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;

use crate::task::AttemptOutcome;

/// What a family needs of its label set.
pub(super) trait Labels: EncodeLabelSet + Clone + Debug + Eq + Hash + Send + Sync + 'static {}

impl<T: EncodeLabelSet + Clone + Debug + Eq + Hash + Send + Sync + 'static> Labels for T {}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ModeLabel {
    pub(super) mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FinishedLabels {
    pub(super) state: &'static str,
    /// Empty for completed tasks.
    pub(super) code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PolicyLabel {
    pub(super) policy: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FallbackLabels {
    pub(super) policy: String,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    pub(super) route: &'static str,
    pub(super) status_class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct VersionLabel {
    pub(super) version: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StatusLabel {
    pub(super) status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabel {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct LaneLabels {
    pub(super) group: Arc<str>,
    pub(super) contract: String,
}

/// The word of an outcome, as in a task's JSON.
pub(super) const fn outcome_word(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Completed => "completed",
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::Disconnected => "disconnected",
        AttemptOutcome::TimedOut => "timed_out",
        AttemptOutcome::Cancelled => "cancelled",
        AttemptOutcome::Interrupted => "interrupted",
    }
}
