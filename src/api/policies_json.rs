//! Policies as the API shows them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::ApiState;
use crate::policy::{
    AvailablePolicy, Catalogue, Circuit, Failure, KeptVersion, NATIVE_NAMES, Placement, PolicyEvent, PolicyStatus,
    PolicySummary, Scope, ShadowStatus,
};
use crate::task::{Contract, Timestamp};

/// The policies in force, those there are, and what became of them lately.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PoliciesJson {
    in_force: Vec<InForceJson>,
    activated: Option<String>,
    native: &'static [&'static str],
    available: Vec<AvailableJson>,
    rules_error: Option<String>,
    history: Vec<EventJson>,
}

/// A policy and the lanes it is in force for; for all others, the one without a group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InForceJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contract: Option<Contract>,
    policy: Arc<str>,
    version: Arc<str>,
    name: String,
    sha256: Option<Arc<str>>,
    /// `ok`, `failing` (it is left alone for a while) or `missing` (the native order takes its place).
    status: &'static str,
    trouble: Option<String>,
    since: Timestamp,
    stateful: bool,
    placement: &'static str,
    decisions: TimesJson,
    calls: TimesJson,
    failures: BTreeMap<&'static str, u64>,
    fallbacks: BTreeMap<&'static str, u64>,
    memory_bytes: usize,
    dropped_log_lines: u64,
    shadow: Option<ShadowJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TimesJson {
    count: u64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShadowJson {
    policy: Arc<str>,
    version: Option<Arc<str>>,
    sample: f64,
    agreed: u64,
    differed: u64,
    skipped: u64,
    failed: u64,
    agreement: Option<f64>,
    times: TimesJson,
    trouble: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AvailableJson {
    name: String,
    source: &'static str,
    hides_another: bool,
    bytes: u64,
    usable: Option<bool>,
    error: Option<String>,
    #[serde(flatten)]
    file: FileJson,
    in_force: bool,
    versions: Vec<VersionJson>,
}

/// What a file of a policy is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileJson {
    sha256: Arc<str>,
    #[serde(flatten)]
    about: Option<AboutJson>,
}

/// What a policy says of itself, and what can be seen of it.
#[derive(Debug, Serialize)]
struct AboutJson {
    title: String,
    version: String,
    exports: Vec<&'static str>,
    stateful: bool,
}

#[derive(Debug, Serialize)]
struct VersionJson {
    sha256: Arc<str>,
    since: Timestamp,
}

#[derive(Debug, Serialize)]
struct EventJson {
    at: Timestamp,
    what: &'static str,
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lanes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl PoliciesJson {
    pub(super) fn of(state: &ApiState) -> Self {
        let catalogue = state.policies.catalogue();
        Self {
            in_force: in_force(state, &catalogue),
            activated: catalogue.activated.clone(),
            native: &NATIVE_NAMES,
            available: catalogue.available.iter().map(AvailableJson::from).collect(),
            rules_error: catalogue.rules_error.clone(),
            history: catalogue.history.iter().map(EventJson::from).collect(),
        }
    }
}

/// How the policies in force are doing, the default first.
pub(super) fn in_force(state: &ApiState, catalogue: &Catalogue) -> Vec<InForceJson> {
    let now = state.dispatcher.clock().now();
    let show = |(scope, status): (Scope, PolicyStatus)| {
        let trouble = catalogue.troubles.get(&scope).cloned();
        InForceJson::of(scope, status, trouble, now)
    };
    state.policies.engine().statuses().into_iter().map(show).collect()
}

impl InForceJson {
    fn of(scope: Scope, status: PolicyStatus, trouble: Option<String>, now: Timestamp) -> Self {
        let (group, contract) = match scope {
            Scope::Default => (None, None),
            Scope::Group(group) => (Some(group), None),
            Scope::Lane(lane) => (Some(lane.group), Some(lane.contract)),
        };
        let word = match (&status.load_error, status.circuit) {
            (Some(_), _) => "missing",
            (None, Circuit::Open { .. }) => "failing",
            (None, Circuit::Closed) => "ok",
        };
        let in_force_ms = i64::try_from(status.in_force_for.as_millis()).unwrap_or(0);
        Self {
            group,
            contract,
            policy: status.policy,
            version: status.version,
            name: status.name,
            sha256: status.sha256,
            status: word,
            trouble: trouble.or(status.load_error).or(status.last_failure),
            since: Timestamp::from_millis(now.as_millis().saturating_sub(in_force_ms)),
            stateful: status.stateful,
            placement: match status.placement {
                Placement::Inline => "inline",
                Placement::OwnThread => "thread",
            },
            decisions: TimesJson::of(status.decisions, status.decision_percentiles),
            calls: TimesJson::of(status.calls, status.percentiles),
            failures: by_word(&status.failures),
            fallbacks: by_word(&status.fallbacks),
            memory_bytes: status.memory,
            dropped_log_lines: status.dropped_log_lines,
            shadow: status.shadow.map(ShadowJson::from),
        }
    }
}

fn by_word(counts: &[(Failure, u64)]) -> BTreeMap<&'static str, u64> {
    counts.iter().map(|(failure, count)| (failure.word(), *count)).collect()
}

impl TimesJson {
    fn of(count: u64, percentiles: Option<(Duration, Duration)>) -> Self {
        // To a nanosecond.
        let micros = |time: Duration| (time.as_secs_f64() * 1e9).round() / 1e3;
        Self {
            count,
            p50_us: percentiles.map(|(half, _)| micros(half)),
            p99_us: percentiles.map(|(_, most)| micros(most)),
        }
    }
}

impl From<ShadowStatus> for ShadowJson {
    fn from(status: ShadowStatus) -> Self {
        let compared = status.agreed + status.differed;
        #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
        let agreement = (compared > 0).then(|| status.agreed as f64 / compared as f64);
        Self {
            policy: status.policy,
            version: status.version,
            // As it was written.
            sample: (status.sample * 1e6).round() / 1e6,
            agreed: status.agreed,
            differed: status.differed,
            skipped: status.skipped,
            failed: status.failed,
            agreement,
            times: TimesJson::of(compared + status.failed, status.percentiles),
            trouble: status.trouble,
        }
    }
}

impl From<&AvailablePolicy> for AvailableJson {
    fn from(policy: &AvailablePolicy) -> Self {
        let (summary, error) = match &policy.check {
            Some(Ok(summary)) => (Some(summary), None),
            Some(Err(error)) => (None, Some(error.clone())),
            None => (None, None),
        };
        let unknown = || FileJson { sha256: Arc::clone(&policy.sha256), about: None };
        Self {
            name: policy.name.clone(),
            source: if policy.is_uploaded { "uploaded" } else { "directory" },
            hides_another: policy.hides_another,
            bytes: policy.bytes,
            usable: policy.check.as_ref().map(Result::is_ok),
            error,
            file: summary.map_or_else(unknown, FileJson::of),
            in_force: policy.is_in_force,
            versions: policy.versions.iter().map(VersionJson::from).collect(),
        }
    }
}

impl FileJson {
    pub(super) fn of(summary: &PolicySummary) -> Self {
        let about = AboutJson {
            title: summary.name.clone(),
            version: summary.version.clone(),
            exports: summary.exports.clone(),
            stateful: summary.stateful,
        };
        Self { sha256: Arc::clone(&summary.sha256), about: Some(about) }
    }
}

impl From<&KeptVersion> for VersionJson {
    fn from(version: &KeptVersion) -> Self {
        Self { sha256: Arc::clone(&version.sha256), since: version.since() }
    }
}

impl From<&PolicyEvent> for EventJson {
    fn from(event: &PolicyEvent) -> Self {
        Self {
            at: event.at,
            what: event.what,
            policy: event.policy.clone(),
            lanes: event.scope.as_ref().map(Scope::to_string),
            sha256: event.sha256.clone(),
            detail: event.detail.clone(),
        }
    }
}
