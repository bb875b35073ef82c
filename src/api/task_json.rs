//! A task as JSON.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::dispatch::{TaskView, WaitingView};
use crate::task::{
    Attempt, AttemptOutcome, Candidate, Choice, Contract, ErrorCode, Mode, Priority, StoredResult, TaskId, TaskState,
    Timestamp,
};

/// A task as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskJson<'a> {
    task_id: TaskId,
    state: TaskState,
    group: &'a str,
    function: &'a str,
    contract: Contract,
    priority: Option<Priority>,
    mode: Mode,
    attempts: Vec<AttemptJson<'a>>,
    interruptions: u32,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<WaitingView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultJson>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    result_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
}

/// One attempt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptJson<'a> {
    n: u32,
    worker: &'a str,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    outcome: Option<AttemptOutcome>,
    status: Option<u16>,
    why: ChoiceJson<'a>,
}

/// Why an attempt went to its worker: what is usual is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChoiceJson<'a> {
    policy: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<&'a str>,
    rank: u32,
    candidates: u32,
    took_us: u32,
    signals: SignalsJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<&'a str>,
}

/// What was known of a worker when it was chosen.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignalsJson {
    slots: u32,
    used: u32,
    in_flight: u32,
    queue: u32,
    cpu: f32,
    memory: f32,
    report_age_ms: u32,
    latency_ms: f32,
    failure_rate: f32,
    weight: f32,
}

/// A worker's answer: its JSON as it is, anything else as a string.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum ResultJson {
    Json(Box<RawValue>),
    Text(String),
}

impl<'a> From<&'a TaskView> for TaskJson<'a> {
    fn from(view: &'a TaskView) -> Self {
        Self::of(view, view.record.result.as_ref().map(ResultJson::from))
    }
}

impl<'a> TaskJson<'a> {
    /// A task as lists show it: without its result.
    pub fn listed(view: &'a TaskView) -> Self {
        Self::of(view, None)
    }

    fn of(view: &'a TaskView, result: Option<ResultJson>) -> Self {
        let record = &view.record;
        let spec = &record.spec;
        Self {
            task_id: spec.id,
            state: record.state,
            group: &spec.lane.group,
            function: &spec.function,
            contract: spec.lane.contract,
            priority: record.priority,
            mode: spec.mode,
            attempts: record.attempts.iter().chain(&view.current).map(AttemptJson::from).collect(),
            interruptions: record.interruptions,
            created_at: spec.created_at,
            run_at: record.run_at,
            finished_at: record.finished_at,
            waiting: view.waiting,
            result,
            result_truncated: record.result.as_ref().is_some_and(|result| result.truncated),
            error: record.error.as_deref(),
            code: record.code,
        }
    }
}

impl<'a> From<&'a Attempt> for AttemptJson<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        Self {
            n: attempt.n,
            worker: &attempt.worker,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            outcome: attempt.outcome,
            status: attempt.status,
            why: ChoiceJson::from(&*attempt.why),
        }
    }
}

impl<'a> From<&'a Choice> for ChoiceJson<'a> {
    fn from(why: &'a Choice) -> Self {
        Self {
            policy: &why.policy,
            version: &why.version,
            fallback: why.fallback.as_deref(),
            rank: why.rank,
            candidates: why.candidates,
            took_us: why.took_us,
            signals: SignalsJson::from(why.signals),
            left_out: why.left_out.as_deref(),
        }
    }
}

impl From<Candidate> for SignalsJson {
    fn from(candidate: Candidate) -> Self {
        let Candidate {
            worker: _,
            slots,
            used,
            in_flight,
            queue,
            cpu,
            memory,
            report_age_ms,
            latency_ms,
            failure_rate,
            weight,
        } = candidate;
        Self { slots, used, in_flight, queue, cpu, memory, report_age_ms, latency_ms, failure_rate, weight }
    }
}

impl From<&StoredResult> for ResultJson {
    fn from(result: &StoredResult) -> Self {
        let text = String::from_utf8_lossy(&result.body).into_owned();
        let is_json = result.content_type.as_deref().is_none_or(|kind| kind.contains("json")) && !result.truncated;
        if !is_json {
            return Self::Text(text);
        }
        serde_json::from_str::<&RawValue>(&text).map(ToOwned::to_owned).map_or_else(|_| Self::Text(text), Self::Json)
    }
}
