//! Policies: who ranks the eligible workers of a lane.
//!
//! The host decides what is possible, a policy what is best: it sees numbers only ([`RankContext`], [`Candidates`]) and answers
//! with rows. Its answer is checked before anybody acts on it.

#[cfg(test)]
pub(crate) mod conformance;
mod context;
mod engine;
mod native;

pub use crate::task::{Candidate, Candidates};
pub use context::RankContext;
pub use engine::{PolicyEngine, Ranking};
pub use native::{NATIVE_NAMES, UnknownNativePolicy, native};

/// Ranks workers. Implementations are pure functions of their input and their own state: no clock, no chance but the
/// context's `now` and `seed`.
pub trait Policy: Send + Sync + 'static {
    /// The name, as in `POLICY=native:<name>`.
    fn name(&self) -> &str;

    /// Writes candidate rows to `rows` (empty at the call) in order of preference. A short list is fine, the next row is used
    /// when the first has no room any more; an empty list means *wait*.
    fn rank(&self, context: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>);
}
