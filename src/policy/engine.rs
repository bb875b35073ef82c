//! The policy in force: asks it, checks its answer, and uses a native one where it fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::native::default_native;
use super::wasm::{CheckedPolicy, LoadError, WasmPolicy};
use super::{Admission, Candidates, Directory, Failure, Outcome, Policy, PolicyStatus, RankContext, SubmissionView};
use crate::config::FailureRule;
use crate::telemetry::{Metrics, PolicyMetrics};

/// So many rows of an answer are looked at. Nobody tries that many workers for one decision, and a huge answer stays cheap.
const CONSIDERED_ROWS: usize = 64;

/// The policy in force. Clones share it.
///
/// Decisions under way when another one takes its place end with the one they began with.
#[derive(Clone)]
pub struct PolicyEngine(Arc<Inner>);

struct Inner {
    active: ArcSwap<Active>,
    /// Who ranks when the policy in force does not.
    native: Arc<dyn Policy>,
    /// Its name, in the form of `POLICY`.
    native_choice: Arc<str>,
    native_metrics: OnceLock<PolicyMetrics>,
    on_failure: FailureRule,
    metrics: OnceLock<Arc<Metrics>>,
    /// What there is, for policies to come.
    directory: Mutex<Arc<Directory>>,
    /// Threads of policies that have been replaced.
    retired: Mutex<Vec<JoinHandle<()>>>,
}

/// A policy in force, and what is counted of it.
struct Active {
    /// Its name, in the form of `POLICY`.
    choice: Arc<str>,
    kind: Kind,
    metrics: OnceLock<PolicyMetrics>,
    /// Decisions made by the native order in its place, by reason.
    fallbacks: [AtomicU64; Failure::ALL.len()],
}

enum Kind {
    Native {
        policy: Arc<dyn Policy>,
        since: Instant,
    },
    Wasm(WasmPolicy),
    /// It could not be loaded, for that reason.
    Missing(String),
}

/// A checked answer: rows that exist, each once, out of the first 64 answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    /// The candidate rows in order of preference; empty means *wait*.
    pub rows: Vec<u32>,
    /// The policy that answered, in the form of `POLICY`.
    pub policy: Arc<str>,
    /// Why a native policy answered in place of the one in force, in a word; `None` if it was the one in force.
    pub fallback: Option<Arc<str>>,
}

impl PolicyEngine {
    /// An engine that asks `policy`.
    pub fn new(policy: Arc<dyn Policy>) -> Self {
        Self::with_failures(policy, FailureRule::Native)
    }

    /// The same; `on_failure` says what becomes of submissions while a policy fails.
    pub fn with_failures(policy: Arc<dyn Policy>, on_failure: FailureRule) -> Self {
        let choice = format!("native:{}", policy.name()).into();
        let native = default_native();
        Self(Arc::new(Inner {
            active: ArcSwap::from_pointee(Active::new(choice, Kind::Native { policy, since: Instant::now() })),
            native_choice: format!("native:{}", native.name()).into(),
            native,
            native_metrics: OnceLock::new(),
            on_failure,
            metrics: OnceLock::new(),
            directory: Mutex::default(),
            retired: Mutex::default(),
        }))
    }

    /// Has decisions counted there from here on.
    pub fn count_in(&self, metrics: &Arc<Metrics>) {
        // The first one stays: an engine serves one dispatcher.
        let _ = self.0.metrics.set(Arc::clone(metrics));
    }

    /// Puts a policy in force, in place of the one before, which finishes what it has begun.
    pub fn activate(&self, policy: CheckedPolicy) -> Result<(), LoadError> {
        let choice = Arc::clone(policy.name());
        let policy = WasmPolicy::start(policy)?;
        // It may have been set up with what there was some time ago.
        policy.tell(self.directory());
        self.swap(Active::new(choice, Kind::Wasm(policy)));
        Ok(())
    }

    /// The policy chosen could not be loaded: the native order takes its place, and every decision says so.
    pub fn activate_missing(&self, choice: &str, error: &LoadError) {
        self.swap(Active::new(choice.into(), Kind::Missing(error.to_string())));
    }

    /// What there is, as it was last told.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.0.directory.lock())
    }

    /// Tells the policy in force, and those to come, what there is.
    pub fn tell(&self, directory: Directory) {
        let directory = Arc::new(directory);
        *self.0.directory.lock() = Arc::clone(&directory);
        if let Kind::Wasm(policy) = &self.0.active.load().kind {
            policy.tell(directory);
        }
    }

    /// The policy in force, in the form of `POLICY`.
    pub fn active_choice(&self) -> Arc<str> {
        Arc::clone(&self.0.active.load().choice)
    }

    /// Asks the policy in force, and a native one if that fails. Rows out of range, repeated rows and all after the 64th are dropped.
    pub async fn rank(&self, context: &RankContext, candidates: &Candidates) -> Ranking {
        let active = self.0.active.load();
        if let Kind::Native { policy, .. } = &active.kind {
            let ranking = native_ranking(policy.as_ref(), &active.choice, context, candidates);
            self.count(&active.metrics, &active.choice, &ranking);
            return ranking;
        }
        let active = Guard::into_inner(active);
        let answer = match &active.kind {
            Kind::Wasm(policy) if policy.ranks() => policy.rank(context, candidates).await,
            Kind::Wasm(_) | Kind::Native { .. } => return self.rank_natively(context, candidates),
            Kind::Missing(_) => Err(Failure::NotLoaded),
        };
        let failure = match answer {
            Ok(mut rows) => {
                rows.truncate(CONSIDERED_ROWS);
                let ranking = Ranking { rows, policy: Arc::clone(&active.choice), fallback: None };
                self.count(&active.metrics, &active.choice, &ranking);
                return ranking;
            }
            Err(failure) => failure,
        };
        self.count_fallback(&active, failure);
        let mut ranking = self.rank_natively(context, candidates);
        ranking.fallback = Some(failure.word().into());
        ranking
    }

    /// Whether submissions have to be asked about at all.
    pub fn decides_admission(&self) -> bool {
        match &self.0.active.load().kind {
            Kind::Native { .. } => false,
            Kind::Wasm(policy) => policy.prioritizes() || self.0.on_failure == FailureRule::Reject,
            Kind::Missing(_) => self.0.on_failure == FailureRule::Reject,
        }
    }

    /// What is to become of a submission. An error only if submissions are refused while the policy fails; how long it is likely to
    /// do so comes with it.
    pub async fn prioritize(&self, submission: &SubmissionView<'_>) -> Result<Admission, (Failure, Option<Duration>)> {
        let active = self.0.active.load_full();
        let (failure, pause) = match &active.kind {
            Kind::Native { .. } => return Ok(Admission::Accepted(submission.priority)),
            Kind::Wasm(policy) if policy.prioritizes() => match policy.prioritize(submission).await {
                Ok(admission) => return Ok(admission),
                Err(failure) => (failure, policy.pause_left()),
            },
            Kind::Wasm(policy) => match policy.pause_left() {
                Some(pause) if self.0.on_failure == FailureRule::Reject => {
                    return Err((Failure::CircuitOpen, Some(pause)));
                }
                _ => return Ok(Admission::Accepted(submission.priority)),
            },
            Kind::Missing(_) => (Failure::NotLoaded, None),
        };
        self.count_fallback(&active, failure);
        match self.0.on_failure {
            FailureRule::Native => Ok(Admission::Accepted(submission.priority)),
            FailureRule::Reject => Err((failure, pause)),
        }
    }

    /// Tells the policy of an attempt that has ended, if it wants to hear of such.
    pub fn observe(&self, outcome: impl FnOnce() -> Outcome) {
        if let Kind::Wasm(policy) = &self.0.active.load().kind
            && policy.observes()
        {
            policy.observe(outcome());
        }
    }

    /// How the policy in force is doing.
    pub fn status(&self) -> PolicyStatus {
        let active = self.0.active.load();
        let mut status = match &active.kind {
            Kind::Wasm(policy) => policy.status(),
            Kind::Native { policy, since } => PolicyStatus {
                name: policy.name().to_owned(),
                in_force_for: since.elapsed(),
                ..PolicyStatus::default()
            },
            Kind::Missing(error) => PolicyStatus { load_error: Some(error.clone()), ..PolicyStatus::default() },
        };
        status.policy = Arc::clone(&active.choice);
        let count = |failure: Failure| active.fallbacks[failure as usize].load(Ordering::Relaxed);
        status.fallbacks =
            Failure::ALL.into_iter().map(|failure| (failure, count(failure))).filter(|(_, count)| *count > 0).collect();
        status
    }

    /// Ends the threads of all policies and waits for them: at most as long as one call may take. The native order is in force then.
    pub async fn close(&self) {
        let native = Kind::Native { policy: Arc::clone(&self.0.native), since: Instant::now() };
        self.swap(Active::new(Arc::clone(&self.0.native_choice), native));
        let threads = std::mem::take(&mut *self.0.retired.lock());
        let join = move || threads.into_iter().for_each(|thread| drop(thread.join()));
        // It does not panic, and nobody else cancels it.
        let _ = tokio::task::spawn_blocking(join).await;
    }

    fn swap(&self, active: Active) {
        let before = self.0.active.swap(Arc::new(active));
        let mut retired = self.0.retired.lock();
        retired.retain(|thread| !thread.is_finished());
        if let Kind::Wasm(policy) = &before.kind {
            retired.extend(policy.take_thread());
        }
    }

    fn rank_natively(&self, context: &RankContext, candidates: &Candidates) -> Ranking {
        let inner = &self.0;
        let ranking = native_ranking(inner.native.as_ref(), &inner.native_choice, context, candidates);
        self.count(&inner.native_metrics, &inner.native_choice, &ranking);
        ranking
    }

    fn count(&self, handle: &OnceLock<PolicyMetrics>, choice: &str, ranking: &Ranking) {
        if let Some(metrics) = self.0.metrics.get() {
            // Native ones go by their bare name.
            let name = choice.strip_prefix("native:").unwrap_or(choice);
            handle.get_or_init(|| metrics.policy(name)).decided(ranking.rows.is_empty());
        }
    }

    fn count_fallback(&self, active: &Active, failure: Failure) {
        active.fallbacks[failure as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(metrics) = self.0.metrics.get() {
            metrics.policy_fallback(&active.choice, failure.word());
        }
    }
}

impl Active {
    fn new(choice: Arc<str>, kind: Kind) -> Self {
        Self { choice, kind, metrics: OnceLock::new(), fallbacks: Default::default() }
    }
}

fn native_ranking(policy: &dyn Policy, choice: &Arc<str>, context: &RankContext, candidates: &Candidates) -> Ranking {
    let mut rows = Vec::new();
    policy.rank(context, candidates, &mut rows);
    let mut ranking = Ranking { rows, policy: Arc::clone(choice), fallback: None };
    ranking.keep_valid(candidates.len());
    ranking
}

impl Ranking {
    fn keep_valid(&mut self, candidates: usize) {
        self.rows.truncate(CONSIDERED_ROWS);
        let mut kept = 0;
        for at in 0..self.rows.len() {
            let row = self.rows[at];
            // Answers are short, so looking back beats a set.
            if (row as usize) < candidates && !self.rows[..kept].contains(&row) {
                self.rows[kept] = row;
                kept += 1;
            }
        }
        self.rows.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_rows_out_of_range_and_repeated_rows() {
        let mut ranking = Ranking { rows: vec![2, 9, 2, 0, 0, 1], ..Ranking::default() };
        ranking.keep_valid(3);
        assert_eq!(ranking.rows, [2, 0, 1]);
    }

    #[test]
    fn considers_only_the_first_rows_of_a_huge_answer() {
        let rows = [vec![7; 63], vec![5, 3], vec![1; 1_000_000]].concat();
        let mut ranking = Ranking { rows, ..Ranking::default() };
        ranking.keep_valid(10);
        assert_eq!(ranking.rows, [7, 5]);
    }
}
