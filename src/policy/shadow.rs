//! A second policy that is asked beside the one in force, and not obeyed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::durations::Durations;
use super::wasm::WasmPolicy;
use super::{Admission, Candidates, Directory, Failure, Outcome, Policy, RankContext, ShadowStatus, SubmissionView};

/// 2^32.
const WHOLE: f64 = 4_294_967_296.0;

/// A policy that is asked about a sample of decisions, to see how it would do.
pub(super) struct Shadow {
    /// Its name, in the form of `POLICY`.
    choice: Arc<str>,
    subject: Subject,
    /// Of 2^32 decisions, so many are looked at.
    sample: u64,
    tally: Arc<Tally>,
}

enum Subject {
    Native(Arc<dyn Policy>),
    Wasm(WasmPolicy),
    /// It could not be loaded, for that reason.
    Missing(String),
}

/// What came of the comparisons.
#[derive(Debug, Default)]
pub(super) struct Tally {
    agreed: AtomicU64,
    differed: AtomicU64,
    /// Not compared: its thread was busy, or it failed too often to be asked.
    skipped: AtomicU64,
    failed: AtomicU64,
    durations: Durations,
}

impl Shadow {
    pub(super) fn native(policy: Arc<dyn Policy>, sample: f64) -> Self {
        let choice = format!("native:{}", policy.name()).into();
        Self::new(choice, Subject::Native(policy), sample)
    }

    /// The policy must have been started [aside](WasmPolicy::start_aside).
    pub(super) fn wasm(choice: Arc<str>, policy: WasmPolicy, sample: f64) -> Self {
        Self::new(choice, Subject::Wasm(policy), sample)
    }

    pub(super) fn missing(choice: Arc<str>, error: String, sample: f64) -> Self {
        Self::new(choice, Subject::Missing(error), sample)
    }

    fn new(choice: Arc<str>, subject: Subject, sample: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^32")]
        let sample = (sample.clamp(0.0, 1.0) * WHOLE) as u64;
        Self { choice, subject, sample, tally: Arc::default() }
    }

    /// Compares its first choice with the one made (`None` for *wait*), soon and elsewhere if it is one of the user's.
    pub(super) fn rank(&self, context: &RankContext, candidates: &Candidates, chosen: Option<u32>) {
        if !self.looks_at(context.seed) {
            return;
        }
        match &self.subject {
            Subject::Native(policy) => {
                let began = Instant::now();
                let mut rows = Vec::new();
                policy.rank(context, candidates, &mut rows);
                self.tally.durations.add(began.elapsed());
                self.tally.compared(rows.first().copied() == chosen);
            }
            Subject::Wasm(policy) if policy.ranks() => policy.compare_rank(context, candidates, chosen, &self.tally),
            Subject::Wasm(_) | Subject::Missing(_) => {}
        }
    }

    /// Compares its verdict on a submission with the one in force.
    pub(super) fn prioritize(&self, submission: &SubmissionView<'_>, admission: &Admission) {
        if let Subject::Wasm(policy) = &self.subject
            && policy.prioritizes()
            && self.looks_at(submission.seed)
        {
            policy.compare_admission(submission, admission, &self.tally);
        }
    }

    /// Whether it has something to say on submissions.
    pub(super) fn prioritizes(&self) -> bool {
        matches!(&self.subject, Subject::Wasm(policy) if policy.prioritizes())
    }

    pub(super) fn policy(&self) -> Option<&WasmPolicy> {
        match &self.subject {
            Subject::Wasm(policy) => Some(policy),
            Subject::Native(_) | Subject::Missing(_) => None,
        }
    }

    pub(super) fn observe(&self, outcome: &Outcome) {
        if let Some(policy) = self.policy()
            && policy.observes()
        {
            policy.observe(*outcome);
        }
    }

    pub(super) fn tell(&self, directory: &Arc<Directory>) {
        if let Some(policy) = self.policy() {
            policy.tell(Arc::clone(directory));
        }
    }

    pub(super) fn status(&self) -> ShadowStatus {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
        let sample = self.sample as f64 / WHOLE;
        ShadowStatus {
            policy: Arc::clone(&self.choice),
            version: self.policy().map(|policy| policy.version().clone()),
            sample,
            agreed: count(&self.tally.agreed),
            differed: count(&self.tally.differed),
            skipped: count(&self.tally.skipped),
            failed: count(&self.tally.failed),
            percentiles: self.tally.durations.percentiles(),
            trouble: match &self.subject {
                Subject::Missing(error) => Some(error.clone()),
                Subject::Wasm(policy) => policy.last_failure(),
                Subject::Native(_) => None,
            },
        }
    }

    /// Spreads the sample evenly, whatever a policy makes of the seed itself.
    fn looks_at(&self, seed: u64) -> bool {
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < self.sample
    }
}

impl Tally {
    /// It has been asked.
    pub(super) fn answered<T: PartialEq>(&self, began: Instant, answer: &Result<T, Failure>, expected: &T) {
        self.durations.add(began.elapsed());
        match answer {
            Ok(answer) => self.compared(answer == expected),
            Err(_) => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// It has not been asked.
    pub(super) fn skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    fn compared(&self, agreed: bool) {
        let count = if agreed { &self.agreed } else { &self.differed };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::native;

    #[test]
    fn the_sample_is_about_as_large_as_wished() {
        let looked_at = |sample| {
            let shadow = Shadow::native(native("round-robin").unwrap(), sample);
            (0..10_000).filter(|seed| shadow.looks_at(*seed)).count()
        };
        assert_eq!((looked_at(0.0), looked_at(1.0)), (0, 10_000));
        assert!((900..1_100).contains(&looked_at(0.1)), "{}", looked_at(0.1));
    }
}
