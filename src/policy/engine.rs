//! The policies in force: asks them, checks their answers, and uses a native one where they fail.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::assigned::{self, Assigned, Kind};
use super::native::default_native;
use super::ranking::Ranking;
use super::shadow::Shadow;
use super::table::{Scope, Table};
use super::wasm::{CheckedPolicy, LoadError};
use super::{Admission, Candidates, Directory, Failure, Outcome, Policy, PolicyStatus, RankContext, SubmissionView};
use crate::config::FailureRule;
use crate::task::LaneKey;
use crate::telemetry::{Metrics, PolicyMetrics};

/// The policies in force, one for each lane. Clones share it.
///
/// Decisions under way when other policies take their place end with the one they began with.
#[derive(Clone)]
pub struct PolicyEngine(Arc<Inner>);

struct Inner {
    table: ArcSwap<Table>,
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

impl PolicyEngine {
    /// An engine that asks `policy`.
    pub fn new(policy: Arc<dyn Policy>) -> Self {
        Self::with_failures(policy, FailureRule::Native)
    }

    /// The same; `on_failure` says what becomes of submissions while a policy fails.
    pub fn with_failures(policy: Arc<dyn Policy>, on_failure: FailureRule) -> Self {
        let native = default_native();
        Self(Arc::new(Inner {
            table: ArcSwap::from_pointee(Table::new(Arc::new(Assigned::native(policy)))),
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

    /// Puts a policy in force for all lanes, in place of those before, which finish what they have begun.
    pub fn activate(&self, policy: CheckedPolicy) -> Result<(), LoadError> {
        self.put_in_force(Table::new(Arc::new(Assigned::wasm(policy)?)));
        Ok(())
    }

    /// Puts these policies in force.
    pub(super) fn put_in_force(&self, table: Table) {
        // They may have been set up with what there was some time ago.
        let directory = self.directory();
        let table = Arc::new(table);
        table.policies().for_each(|policy| policy.tell(&directory));
        let before = self.0.table.swap(Arc::clone(&table));
        let gone = before.policies().filter(|policy| !table.policies().any(|kept| Arc::ptr_eq(kept, policy)));
        self.retire(gone.flat_map(|policy| policy.take_threads()));
    }

    /// Has threads joined at the end that have nothing more to do.
    pub(super) fn retire(&self, threads: impl Iterator<Item = JoinHandle<()>>) {
        let mut retired = self.0.retired.lock();
        retired.retain(|thread| !thread.is_finished());
        retired.extend(threads);
    }

    /// What there is, as it was last told.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.0.directory.lock())
    }

    /// Tells the policies in force, and those to come, what there is.
    pub fn tell(&self, directory: Directory) {
        let directory = Arc::new(directory);
        *self.0.directory.lock() = Arc::clone(&directory);
        self.0.table.load().policies().for_each(|policy| policy.tell(&directory));
    }

    /// The policy in force where no narrower choice is made, in the form of `POLICY`.
    pub fn active_choice(&self) -> Arc<str> {
        Arc::clone(self.0.table.load().default().choice())
    }

    /// Asks the policy of the lane, and a native one if that fails. Rows out of range, repeated rows and all after the 64th are dropped.
    pub async fn rank(&self, lane: &LaneKey, context: &RankContext, candidates: &Candidates) -> Ranking {
        let began = Instant::now();
        let table = self.0.table.load();
        let policy = table.of(lane);
        if let Kind::Native(native) = &policy.kind {
            let ranking = Ranking::native(native.as_ref(), policy.choice(), context, candidates);
            policy.decided(self.metrics(), ranking.rows.is_empty());
            return finish(policy, began, context, candidates, ranking);
        }
        let policy = Arc::clone(policy);
        drop(table);
        let ranking = self.rank_by(&policy, context, candidates).await;
        finish(&policy, began, context, candidates, ranking)
    }

    async fn rank_by(&self, policy: &Assigned, context: &RankContext, candidates: &Candidates) -> Ranking {
        let failure = match &policy.kind {
            Kind::Wasm(guest) if guest.ranks() => match guest.rank(context, candidates).await {
                Ok(rows) => {
                    let ranking = Ranking::of_guest(rows, policy.choice(), policy.version());
                    policy.decided(self.metrics(), ranking.rows.is_empty());
                    return ranking;
                }
                Err(failure) => failure,
            },
            Kind::Wasm(_) | Kind::Native(_) => return self.rank_natively(context, candidates),
            Kind::Missing(_) => Failure::NotLoaded,
        };
        policy.fell_back(self.metrics(), failure);
        Ranking { fallback: Some(failure.word().into()), ..self.rank_natively(context, candidates) }
    }

    fn rank_natively(&self, context: &RankContext, candidates: &Candidates) -> Ranking {
        let inner = &self.0;
        let ranking = Ranking::native(inner.native.as_ref(), &inner.native_choice, context, candidates);
        assigned::count(&inner.native_metrics, self.metrics(), &inner.native_choice, ranking.rows.is_empty());
        ranking
    }

    /// How many candidates a decision of that lane looks at where there are many more; `None` if it is to see all.
    pub fn looks_at(&self, lane: &LaneKey) -> Option<usize> {
        let table = self.0.table.load();
        let policy = table.of(lane);
        match &policy.kind {
            Kind::Native(native) if policy.shadow().is_none() => native.sample(),
            _ => None,
        }
    }

    /// Whether submissions to that lane have to be asked about at all.
    pub fn decides_admission(&self, lane: &LaneKey) -> bool {
        let table = self.0.table.load();
        let policy = table.of(lane);
        let rejects = self.0.on_failure == FailureRule::Reject;
        let decides = match &policy.kind {
            Kind::Native(_) => false,
            Kind::Wasm(guest) => guest.prioritizes() || rejects,
            Kind::Missing(_) => rejects,
        };
        decides || policy.shadow().as_deref().is_some_and(Shadow::prioritizes)
    }

    /// What is to become of a submission. An error only if submissions are refused while the policy fails; how long it is likely to
    /// do so comes with it.
    pub async fn prioritize(&self, submission: &SubmissionView<'_>) -> Result<Admission, (Failure, Option<Duration>)> {
        let policy = Arc::clone(self.0.table.load().of(submission.lane));
        let admission = self.prioritize_by(&policy, submission).await;
        if let (Some(shadow), Ok(admission)) = (&*policy.shadow(), &admission) {
            shadow.prioritize(submission, admission);
        }
        admission
    }

    async fn prioritize_by(
        &self,
        policy: &Assigned,
        submission: &SubmissionView<'_>,
    ) -> Result<Admission, (Failure, Option<Duration>)> {
        let as_asked = Admission::Accepted(submission.priority);
        let (failure, pause) = match &policy.kind {
            Kind::Native(_) => return Ok(as_asked),
            Kind::Wasm(guest) if guest.prioritizes() => match guest.prioritize(submission).await {
                Ok(admission) => return Ok(admission),
                Err(failure) => (failure, guest.pause_left()),
            },
            Kind::Wasm(guest) => match guest.pause_left() {
                Some(pause) if self.0.on_failure == FailureRule::Reject => {
                    return Err((Failure::CircuitOpen, Some(pause)));
                }
                _ => return Ok(as_asked),
            },
            Kind::Missing(_) => (Failure::NotLoaded, None),
        };
        policy.fell_back(self.metrics(), failure);
        match self.0.on_failure {
            FailureRule::Native => Ok(as_asked),
            FailureRule::Reject => Err((failure, pause)),
        }
    }

    /// Tells the policy of the lane of an attempt that has ended, if it wants to hear of such.
    pub fn observe(&self, lane: &LaneKey, outcome: impl FnOnce() -> Outcome) {
        self.0.table.load().of(lane).observe(outcome);
    }

    /// How the policy is doing that is in force where no narrower choice is made.
    pub fn status(&self) -> PolicyStatus {
        self.0.table.load().default().status()
    }

    /// How all policies in force are doing, the default first.
    pub fn statuses(&self) -> Vec<(Scope, PolicyStatus)> {
        self.0.table.load().each().into_iter().map(|(scope, policy)| (scope, policy.status())).collect()
    }

    /// Ends the threads of all policies and waits for them: at most as long as one call may take. The native order is in force then.
    pub async fn close(&self) {
        self.put_in_force(Table::new(Arc::new(Assigned::native(Arc::clone(&self.0.native)))));
        let threads = std::mem::take(&mut *self.0.retired.lock());
        let join = move || threads.into_iter().for_each(|thread| drop(thread.join()));
        // It does not panic, and nobody else cancels it.
        let _ = tokio::task::spawn_blocking(join).await;
    }

    fn metrics(&self) -> Option<&Arc<Metrics>> {
        self.0.metrics.get()
    }
}

/// What is done about every decision, whoever made it.
fn finish(
    policy: &Assigned,
    began: Instant,
    context: &RankContext,
    candidates: &Candidates,
    ranking: Ranking,
) -> Ranking {
    let took = began.elapsed();
    policy.took(took);
    if let Some(shadow) = &*policy.shadow()
        && ranking.fallback.is_none()
    {
        shadow.rank(context, candidates, ranking.rows.first().copied());
    }
    Ranking { took, ..ranking }
}
