//! A policy in force for some lanes, and what is counted of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::durations::Durations;
use super::shadow::Shadow;
use super::wasm::{CheckedPolicy, LoadError, WasmPolicy};
use super::{Directory, Failure, Outcome, Policy, PolicyStatus};
use crate::telemetry::{Metrics, PolicyMetrics};

/// A policy in force for some lanes.
pub(super) struct Assigned {
    /// Its name, in the form of `POLICY`.
    choice: Arc<str>,
    version: Arc<str>,
    pub(super) kind: Kind,
    /// Who is asked beside it.
    shadow: ArcSwapOption<Shadow>,
    since: Instant,
    /// Decisions, whoever made them in the end.
    durations: Durations,
    metrics: OnceLock<PolicyMetrics>,
    /// Decisions made by the native order in its place, by reason.
    fallbacks: [AtomicU64; Failure::ALL.len()],
}

pub(super) enum Kind {
    Native(Arc<dyn Policy>),
    Wasm(WasmPolicy),
    /// It could not be loaded, for that reason.
    Missing(String),
}

/// The version of everything native.
pub(super) fn native_version() -> Arc<str> {
    static VERSION: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(env!("CARGO_PKG_VERSION")));
    Arc::clone(&VERSION)
}

impl Assigned {
    pub(super) fn native(policy: Arc<dyn Policy>) -> Self {
        let choice = format!("native:{}", policy.name()).into();
        Self::new(choice, native_version(), Kind::Native(policy))
    }

    /// Puts a policy to use.
    pub(super) fn wasm(policy: CheckedPolicy) -> Result<Self, LoadError> {
        let policy = WasmPolicy::start(policy)?;
        Ok(Self::new(Arc::clone(policy.choice()), Arc::clone(policy.version()), Kind::Wasm(policy)))
    }

    /// The policy chosen cannot be loaded: the native order takes its place, and every decision says so.
    pub(super) fn missing(choice: &str, error: String) -> Self {
        Self::new(choice.into(), Arc::default(), Kind::Missing(error))
    }

    fn new(choice: Arc<str>, version: Arc<str>, kind: Kind) -> Self {
        Self {
            choice,
            version,
            kind,
            shadow: ArcSwapOption::empty(),
            since: Instant::now(),
            durations: Durations::default(),
            metrics: OnceLock::new(),
            fallbacks: Default::default(),
        }
    }

    /// Has another policy asked beside it from now on, or none. The thread of the one before, to be joined.
    pub(super) fn set_shadow(&self, shadow: Option<Shadow>) -> Option<JoinHandle<()>> {
        let before = self.shadow.swap(shadow.map(Arc::new));
        before.as_deref().and_then(Shadow::policy).and_then(WasmPolicy::take_thread)
    }

    pub(super) fn shadow(&self) -> arc_swap::Guard<Option<Arc<Shadow>>> {
        self.shadow.load()
    }

    pub(super) fn choice(&self) -> &Arc<str> {
        &self.choice
    }

    pub(super) fn version(&self) -> &Arc<str> {
        &self.version
    }

    pub(super) fn tell(&self, directory: &Arc<Directory>) {
        if let Kind::Wasm(policy) = &self.kind {
            policy.tell(Arc::clone(directory));
        }
        if let Some(shadow) = &*self.shadow() {
            shadow.tell(directory);
        }
    }

    pub(super) fn observe(&self, outcome: impl FnOnce() -> Outcome) {
        let policy = if let Kind::Wasm(policy) = &self.kind { Some(policy) } else { None };
        let policy = policy.filter(|policy| policy.observes());
        let shadow = self.shadow();
        if policy.is_none() && shadow.is_none() {
            return;
        }
        let outcome = outcome();
        if let Some(policy) = policy {
            policy.observe(outcome);
        }
        if let Some(shadow) = &*shadow {
            shadow.observe(&outcome);
        }
    }

    /// A decision has been made by this one.
    pub(super) fn decided(&self, metrics: Option<&Arc<Metrics>>, wait: bool) {
        count(&self.metrics, metrics, &self.choice, wait);
    }

    /// A decision for its lanes has been made, by whomever.
    pub(super) fn took(&self, took: Duration) {
        self.durations.add(took);
    }

    /// The native order decides in its place.
    pub(super) fn fell_back(&self, metrics: Option<&Arc<Metrics>>, failure: Failure) {
        self.fallbacks[failure as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(metrics) = metrics {
            metrics.policy_fallback(&self.choice, failure.word());
        }
    }

    pub(super) fn status(&self) -> PolicyStatus {
        let count = |failure: Failure| self.fallbacks[failure as usize].load(Ordering::Relaxed);
        let status = match &self.kind {
            Kind::Wasm(policy) => policy.status(),
            Kind::Native(policy) => PolicyStatus { name: policy.name().to_owned(), ..PolicyStatus::default() },
            Kind::Missing(error) => PolicyStatus { load_error: Some(error.clone()), ..PolicyStatus::default() },
        };
        PolicyStatus {
            policy: Arc::clone(&self.choice),
            version: Arc::clone(&self.version),
            in_force_for: self.since.elapsed(),
            decisions: self.durations.count(),
            decision_percentiles: self.durations.percentiles(),
            fallbacks: Failure::ALL
                .into_iter()
                .map(|failure| (failure, count(failure)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            shadow: self.shadow().as_deref().map(Shadow::status),
            ..status
        }
    }

    /// Its threads, to be joined once it is dropped.
    pub(super) fn take_threads(&self) -> impl Iterator<Item = JoinHandle<()>> {
        let own = if let Kind::Wasm(policy) = &self.kind { policy.take_thread() } else { None };
        own.into_iter().chain(self.set_shadow(None))
    }
}

/// Counts a decision of the policy of that name.
pub(super) fn count(handle: &OnceLock<PolicyMetrics>, metrics: Option<&Arc<Metrics>>, choice: &str, wait: bool) {
    if let Some(metrics) = metrics {
        // Native ones go by their bare name.
        let name = choice.strip_prefix("native:").unwrap_or(choice);
        handle.get_or_init(|| metrics.policy(name)).decided(wait);
    }
}
