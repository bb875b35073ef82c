//! A worker as pages show it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::diff::Difference;
use crate::task::{Contract, Timestamp};
use crate::workers::{Service, SlotFigures, Worker, WorkerFigures, WorkerStatus};

/// A worker that has reported within so long is heard of now; beyond, it is told since when it is not.
const RECENT: Duration = Duration::from_secs(6);

/// A worker as pages show it. Figures are rounded to what is shown, so that a row changes only when it looks different.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::dashboard) struct WorkerRow {
    id: u32,
    pub(in crate::dashboard) url: Arc<str>,
    pub(in crate::dashboard) group: Option<Arc<str>>,
    pub(in crate::dashboard) contract: Option<Contract>,
    pub(in crate::dashboard) status: String,
    pub(in crate::dashboard) tone: Tone,
    /// Why it is not given tasks, or not all is well.
    pub(in crate::dashboard) why: Option<String>,
    slots: Option<SlotFigures>,
    in_flight: u32,
    /// Percent.
    cpu: Option<f64>,
    memory: Option<f64>,
    /// When it was started, in seconds since the epoch.
    started: Option<i64>,
    latency_ms: Option<f64>,
    /// Percent of its latest answers.
    failures: f64,
    /// Since when nothing was heard; `None` if that is not so.
    silent_since: Option<i64>,
    tags: Vec<String>,
    services: Arc<[Service]>,
    /// Which functions it publishes; the list itself is told apart, since many publish the same.
    offer: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Difference>,
}

/// How a worker is, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::dashboard) enum Tone {
    /// It takes tasks.
    Ok,
    /// It would, but something is in the way.
    Warn,
    /// It cannot.
    Bad,
    /// It was switched off.
    Off,
}

impl WorkerRow {
    pub(super) fn new(
        worker: &Worker,
        figures: Option<&WorkerFigures>,
        now: Timestamp,
        offer: Option<String>,
        differences: Vec<Difference>,
    ) -> Self {
        let (status, tone, why) = standing(worker, figures);
        let system = worker.system.unwrap_or_default();
        let latency = figures.map(|figures| f64::from(figures.latency_ms)).filter(|latency| *latency > 0.0);
        let age = figures.and_then(|figures| figures.report_age);
        let started = system.uptime.map(|uptime| {
            #[expect(clippy::cast_possible_truncation, reason = "an uptime in seconds")]
            let uptime = uptime as i64;
            // In steps, since it is the difference of two clocks.
            (now.as_millis() / 1_000 - uptime) / 10 * 10
        });
        Self {
            id: worker.id.0,
            url: Arc::clone(&worker.url),
            group: worker.group.clone(),
            contract: worker.contract,
            status,
            tone,
            why,
            slots: worker.slots,
            in_flight: figures.map_or(0, |figures| figures.in_flight),
            cpu: system.cpu_load.map(|load| (load * 100.0).round()),
            memory: system.used_memory_percent.map(f64::round),
            started,
            latency_ms: latency.map(two_digits),
            failures: figures.map_or(0.0, |figures| f64::from(figures.failure_rate * 100.0).round()),
            silent_since: age.filter(|age| *age > RECENT).map(|age| now.as_millis() / 1_000 - seconds(age)),
            tags: tags(worker.tags.as_deref()),
            services: worker.services.clone().unwrap_or_default(),
            offer,
            differences,
        }
    }
}

fn standing(worker: &Worker, figures: Option<&WorkerFigures>) -> (String, Tone, Option<String>) {
    let reason = worker.status_reason.as_ref().map(ToString::to_string);
    let word = worker.status.word().to_owned();
    match &worker.status {
        _ if worker.contract_valid == Some(false) => {
            let mismatch = worker.contract_mismatch_reason.as_ref().map(ToString::to_string);
            ("mismatch".to_owned(), Tone::Bad, mismatch.or(reason))
        }
        WorkerStatus::Ready if figures.is_some_and(|figures| figures.eligible) => (word, Tone::Ok, reason),
        WorkerStatus::Ready => ("blocked".to_owned(), Tone::Warn, Some(reason.unwrap_or_else(|| blocked(worker)))),
        WorkerStatus::Maintenance => {
            (word, Tone::Off, Some(reason.unwrap_or_else(|| "switched off by its operator".to_owned())))
        }
        WorkerStatus::Unreachable | WorkerStatus::Offline | WorkerStatus::Unauthorized => (word, Tone::Bad, reason),
        WorkerStatus::Other(_) => {
            (word, Tone::Warn, Some(reason.unwrap_or_else(|| "only ready workers get tasks".to_owned())))
        }
    }
}

/// Why a ready worker gets no tasks.
fn blocked(worker: &Worker) -> String {
    let services = worker.services.iter().flat_map(|services| services.iter());
    let down: Vec<&str> = services.filter(|service| *service.state != *"up").map(|service| &*service.name).collect();
    match (&down[..], worker.slots) {
        ([], None) => "it reports no slots".to_owned(),
        ([], Some(_)) => "a connection to it failed; waiting for its next health check".to_owned(),
        ([one], _) => format!("its service {one} is not up"),
        (several, _) => format!("its services {} are not up", several.join(", ")),
    }
}

/// `key value` of an object, or the texts of a list.
fn tags(tags: Option<&Value>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match tags {
        Some(Value::Object(tags)) => tags.iter().map(|(name, value)| format!("{name}={}", text(value))).collect(),
        Some(Value::Array(tags)) => tags.iter().map(text).collect(),
        _ => Vec::new(),
    }
}

fn two_digits(number: f64) -> f64 {
    let scale = 10_f64.powf(number.abs().log10().floor() - 1.0);
    if scale > 0.0 { (number / scale).round() * scale } else { number }
}

fn seconds(age: Duration) -> i64 {
    i64::try_from(age.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workers::WorkerId;

    fn worker(status: WorkerStatus) -> Worker {
        Worker {
            id: WorkerId(3),
            url: "http://w:1".into(),
            websocket_port: None,
            group: Some("g".into()),
            contract: Contract::new(1.0),
            status,
            status_reason: None,
            slots: Some(SlotFigures { used: 1, available: 1, limit: 2, queue: 0 }),
            system: None,
            functions: None,
            tags: Some(Arc::new(json!({ "gpu": "A100", "n": 2 }))),
            services: Some(Arc::new([Service { name: "db".into(), status: None, state: "down".into() }])),
            contract_valid: Some(true),
            contract_mismatch_reason: None,
        }
    }

    fn figures(eligible: bool) -> WorkerFigures {
        let report_age = Some(Duration::from_secs(20));
        WorkerFigures { in_flight: 1, eligible, latency_ms: 123.4, failure_rate: 0.25, report_age }
    }

    fn row(worker: &Worker, eligible: bool) -> WorkerRow {
        WorkerRow::new(worker, Some(&figures(eligible)), Timestamp::from_millis(1_000_000), None, Vec::new())
    }

    #[test]
    fn says_why_a_ready_worker_gets_nothing() {
        let mut worker = worker(WorkerStatus::Ready);
        assert_eq!((row(&worker, true).tone, row(&worker, true).why), (Tone::Ok, None));
        let blocked = row(&worker, false);
        assert_eq!((blocked.status.as_str(), blocked.tone), ("blocked", Tone::Warn));
        assert_eq!(blocked.why.as_deref(), Some("its service db is not up"));
        worker.services = None;
        assert!(row(&worker, false).why.unwrap().contains("health check"));
        worker.contract_valid = Some(false);
        worker.contract_mismatch_reason = Some("other functions".into());
        let odd = row(&worker, false);
        assert_eq!(
            (odd.status.as_str(), odd.tone, odd.why.as_deref()),
            ("mismatch", Tone::Bad, Some("other functions"))
        );
    }

    #[test]
    fn figures_are_rounded_and_silence_is_dated() {
        let row = row(&worker(WorkerStatus::Ready), true);
        assert_eq!((row.latency_ms, row.silent_since), (Some(120.0), Some(980)));
        assert_eq!(row.tags, ["gpu=A100", "n=2"]);
    }
}
