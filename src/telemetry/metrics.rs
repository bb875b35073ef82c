//! Metrics: counted in place, shown by `GET /metrics`.
//!
//! Counting looks no label up: each label set is resolved to a handle once, and kept where the next count finds it by index.
//! What can be read off the balancer's state (workers, slots, lanes) is not counted at all but passed in when asked for
//! ([`Snapshot`]).

mod handles;
mod labels;
mod lanes;
mod latency;
mod snapshot;
mod totals;

pub use handles::{PolicyMetrics, RouteMetrics};
pub use lanes::{COUNTED_LANES, LaneTotals};
use latency::Latencies;
pub use latency::LatencyCounts;
pub use snapshot::{LaneCounts, SlotCounts, Snapshot, WorkerCounts};
pub use totals::Totals;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::task::{AttemptOutcome, ErrorCode, Mode, TaskState};
use handles::Resolved;
use labels::{
    FallbackLabels, FinishedLabels, ModeLabel, OutcomeLabel, PolicyLabel, RouteLabels, VersionLabel, outcome_word,
};

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What every metric's name begins with.
const PREFIX: &str = "andera_lb";

const MODES: [Mode; 4] = [Mode::Sync, Mode::Stream, Mode::Webhook, Mode::Async];

const OUTCOMES: [AttemptOutcome; 6] = [
    AttemptOutcome::Completed,
    AttemptOutcome::Failed,
    AttemptOutcome::Disconnected,
    AttemptOutcome::TimedOut,
    AttemptOutcome::Cancelled,
    AttemptOutcome::Interrupted,
];

/// Every code, and none.
const CODES: usize = ErrorCode::ALL.len() + 1;

/// Upper bounds in seconds, from what a fast worker needs to what a patient client waits.
const SECONDS: [f64; 18] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

/// The balancer's metrics. Clones count into the same ones.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    submitted: Resolved<ModeLabel, Counter>,
    finished: Resolved<FinishedLabels, Counter>,
    duration: Resolved<ModeLabel, Histogram>,
    latencies: Latencies,
    lanes: lanes::Lanes,
    wait: Histogram,
    attempts: Resolved<OutcomeLabel, Counter>,
    policy_decisions: Family<PolicyLabel, Counter>,
    policy_waits: Counter,
    policy_fallbacks: Family<FallbackLabels, Counter>,
    claims_returned: Counter,
    interruptions: Counter,
    leases_lost: Counter,
    discovery_failures: Counter,
    heartbeats_lost: Counter,
    http_responses: Family<RouteLabels, Counter>,
}

impl Metrics {
    /// Metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let version = VersionLabel { version: env!("CARGO_PKG_VERSION") };
        registry.register("build", "The running version", Info::new(version));
        let inner = Inner {
            submitted: Resolved::new(counters(&mut registry, "tasks_submitted", "Tasks accepted"), MODES.len()),
            finished: Resolved::new(
                counters(&mut registry, "tasks_finished", "Tasks that reached their end"),
                TaskState::ALL.len() * CODES,
            ),
            duration: Resolved::new(durations(&mut registry), MODES.len()),
            latencies: Latencies::default(),
            lanes: lanes::Lanes::default(),
            wait: wait(&mut registry),
            attempts: Resolved::new(
                counters(&mut registry, "attempts", "Runs of tasks on workers that have ended"),
                OUTCOMES.len(),
            ),
            policy_decisions: counters(&mut registry, "policy_decisions", "Rankings of workers by who made them"),
            policy_waits: counter(&mut registry, "policy_waits", "Rankings that told a task to wait"),
            policy_fallbacks: counters(
                &mut registry,
                "policy_fallbacks",
                "Decisions that a native policy made in place of the one in force, by reason",
            ),
            claims_returned: counter(&mut registry, "claims_returned", "Claims given back without a delivery"),
            interruptions: counter(&mut registry, "interruptions", "Tasks cut off by the balancer's own end"),
            leases_lost: counter(&mut registry, "leases_lost", "Claims that ran out before their task ended"),
            discovery_failures: counter(&mut registry, "discovery_failures", "Failed health checks of workers"),
            heartbeats_lost: counter(&mut registry, "heartbeats_lost", "Workers whose heartbeat stopped"),
            http_responses: counters(&mut registry, "http_responses", "Answers of the HTTP API"),
            registry,
        };
        inner.show_zeros();
        Self(Arc::new(inner))
    }

    /// A task was accepted.
    pub fn submitted(&self, mode: Mode) {
        self.0.submitted(mode).inc();
    }

    /// A task reached its end, `duration` after its submission. `code` is `None` for a completed one.
    pub fn finished(&self, state: TaskState, code: Option<ErrorCode>, mode: Mode, duration: Duration) {
        self.0.finished(state, code).inc();
        self.0.duration(mode).observe(duration.as_secs_f64());
        self.0.latencies.record(duration);
    }

    /// A task was delivered for the first time, `wait` after its submission.
    pub fn delivered_first(&self, wait: Duration) {
        self.0.wait.observe(wait.as_secs_f64());
    }

    /// A run of a task ended.
    pub fn attempt(&self, outcome: AttemptOutcome) {
        self.0.attempts(outcome).inc();
    }

    /// Counts the decisions of one policy; to be kept as long as the policy is in force. Policies come from the configuration,
    /// never from a request.
    pub fn policy(&self, name: &str) -> PolicyMetrics {
        let label = PolicyLabel { policy: name.to_owned() };
        PolicyMetrics::new(self.0.policy_decisions.get_or_create_owned(&label), self.0.policy_waits.clone())
    }

    /// A native policy decided in place of `policy`. Policies and reasons come from the configuration and a fixed list.
    pub fn policy_fallback(&self, policy: &str, reason: &'static str) {
        let labels = FallbackLabels { policy: policy.to_owned(), reason };
        self.0.policy_fallbacks.get_or_create_owned(&labels).inc();
    }

    /// A claim was given back without a delivery.
    pub fn claim_returned(&self) {
        self.0.claims_returned.inc();
    }

    /// A task was cut off by the balancer's own end.
    pub fn interrupted(&self) {
        self.0.interruptions.inc();
    }

    /// A claim ran out before its task ended.
    pub fn lease_lost(&self) {
        self.0.leases_lost.inc();
    }

    /// A worker failed a health check.
    pub fn discovery_failed(&self) {
        self.0.discovery_failures.inc();
    }

    /// A worker's heartbeat stopped.
    pub fn heartbeat_lost(&self) {
        self.0.heartbeats_lost.inc();
    }

    /// Counts the answers of one route; to be made once per route. `route` is the router's pattern, never a request's path.
    pub fn route(&self, route: &'static str) -> RouteMetrics {
        RouteMetrics::new(self.0.http_responses.clone(), route)
    }

    /// Everything as `OpenMetrics` text ([`CONTENT_TYPE`]).
    pub fn render(&self, snapshot: &Snapshot) -> String {
        let mut text = String::new();
        // A registry of its own per call: what is gone is not shown, and two calls at once do not mix.
        let mut momentary = Registry::with_prefix(PREFIX);
        snapshot.register(&mut momentary);
        // Writing to a String does not fail.
        let _ = encode_registry(&mut text, &self.0.registry)
            .and_then(|()| encode_registry(&mut text, &momentary))
            .and_then(|()| encode_eof(&mut text));
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn submitted(&self, mode: Mode) -> Counter {
        self.submitted.get(mode as usize, || ModeLabel { mode: mode.name() })
    }

    fn finished(&self, state: TaskState, code: Option<ErrorCode>) -> Counter {
        let index = state as usize * CODES + code.map_or(0, |code| code as usize + 1);
        self.finished.get(index, || FinishedLabels { state: state.word(), code: code.map_or("", ErrorCode::word) })
    }

    fn duration(&self, mode: Mode) -> Histogram {
        self.duration.get(mode as usize, || ModeLabel { mode: mode.name() })
    }

    fn attempts(&self, outcome: AttemptOutcome) -> Counter {
        self.attempts.get(outcome as usize, || OutcomeLabel { outcome: outcome_word(outcome) })
    }

    /// Makes what surely occurs appear before its first occurrence: a rate needs a zero to start from.
    fn show_zeros(&self) {
        for mode in MODES {
            self.submitted(mode);
            self.duration(mode);
        }
        self.finished(TaskState::Completed, None);
        for outcome in OUTCOMES {
            self.attempts(outcome);
        }
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn counters<L: labels::Labels>(registry: &mut Registry, name: &str, help: &str) -> Family<L, Counter> {
    let counters = Family::default();
    registry.register(name, help, counters.clone());
    counters
}

fn durations(registry: &mut Registry) -> Family<ModeLabel, Histogram> {
    let durations = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
    registry.register_with_unit("task_duration", "From submission to the end", Unit::Seconds, durations.clone());
    durations
}

fn wait(registry: &mut Registry) -> Histogram {
    let wait = Histogram::new(SECONDS);
    registry.register_with_unit("task_wait", "From submission to the first delivery", Unit::Seconds, wait.clone());
    wait
}

#[cfg(test)]
mod tests;
