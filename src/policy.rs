//! Policies: who ranks the eligible workers of a lane, and who says which submissions become tasks.
//!
//! The host decides what is possible, a policy what is best: it sees numbers only ([`RankContext`], [`Candidates`]) and answers
//! with rows. Its answer is checked before anybody acts on it. Policies that come with the balancer implement [`Policy`]; those of
//! users are WebAssembly components ([`Loader`]). [`PolicyEngine`] asks the one in force, and a native one where that fails.

mod admission;
mod assigned;
mod circuit;
#[cfg(test)]
pub(crate) mod conformance;
mod context;
mod directory;
mod durations;
mod engine;
mod exact;
mod failure;
mod feedback;
mod keeper;
mod native;
mod ranking;
mod shadow;
mod status;
mod table;
mod wasm;

pub use crate::task::{Candidate, Candidates};
pub use admission::{Admission, SubmissionView};
pub use context::RankContext;
pub use directory::{Directory, FunctionEntry, LaneEntry, WorkerEntry};
pub use engine::PolicyEngine;
pub use failure::Failure;
pub use feedback::Outcome;
pub use keeper::{
    AvailablePolicy, Catalogue, ControlError, FILE_LIMIT, KeptVersion, PolicyEvent, PolicyKeeper, PolicySummary,
};
pub use native::{NATIVE_NAMES, UnknownNativePolicy, native};
pub use ranking::Ranking;
pub use status::{Circuit, Placement, PolicyStatus, ShadowStatus};
pub use table::Scope;
pub use wasm::{
    CallCounts, CheckResult, CheckedPolicy, Difference, LoadError, Loader, Measured, Measurement, PolicyInfo,
    PolicyLimits, RecordedPolicy, Recorder, Replay, ReplayError, ReplayReport, Setup, Trouble, hostile_checks, measure,
    sha256,
};

/// Ranks workers. Implementations are pure functions of their input and their own state: no clock, no chance but the
/// context's `now` and `seed`.
pub trait Policy: Send + Sync + 'static {
    /// The name, as in `POLICY=native:<name>`.
    fn name(&self) -> &str;

    /// Writes candidate rows to `rows` (empty at the call) in order of preference. A short list is fine, the next row is used
    /// when the first has no room any more; an empty list means *wait*.
    fn rank(&self, context: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>);

    /// How many candidates, drawn by chance, are as good as all of them where there are many more; `None` if it wants to see all.
    fn sample(&self) -> Option<usize> {
        None
    }
}
