//! Tasks as jobs.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::error::BoardError;
use super::queues::lane_of;
use super::status::Status;
use crate::api::ResultJson;
use crate::dashboard::DashboardState;
use crate::dispatch::TaskView;
use crate::task::{Attempt, AttemptOutcome, Mode, Priority, TaskId, TaskOptions, TaskRecord, TaskState, Timestamp};

/// A body or result that is larger is left out of lists.
const SHOWN_IN_LISTS: usize = 16 * 1024;

/// Queue and job in the path.
pub(super) type GivenJob = Path<(String, String)>;

/// A task as bull-board shows a job. `status` is ours.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobJson {
    id: TaskId,
    name: String,
    status: &'static str,
    timestamp: i64,
    processed_on: Option<i64>,
    processed_by: Option<String>,
    finished_on: Option<i64>,
    progress: u8,
    attempts: usize,
    delay: i64,
    failed_reason: Option<String>,
    stacktrace: Vec<String>,
    opts: OptsJson,
    data: DataJson,
    return_value: Option<DataJson>,
    is_failed: bool,
    external_url: Option<Value>,
    group_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OptsJson {
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum DataJson {
    Body(Box<RawValue>),
    Result(ResultJson),
    LeftOut(String),
}

impl JobJson {
    /// All of it.
    pub(super) fn whole(view: &TaskView) -> Self {
        Self::of(view, usize::MAX)
    }

    /// As lists show it: large bodies are left out.
    pub(super) fn listed(view: &TaskView) -> Self {
        Self::of(view, SHOWN_IN_LISTS)
    }

    fn of(view: &TaskView, most: usize) -> Self {
        let (record, spec) = (&view.record, &view.record.spec);
        let status = Status::of(record);
        let last = view.current.as_ref().or(record.attempts.last());
        let left_out = |bytes: usize| DataJson::LeftOut(format!("{bytes} bytes, shown with the job itself"));
        let data = match serde_json::from_slice::<Box<RawValue>>(&spec.body) {
            _ if spec.body.len() > most => left_out(spec.body.len()),
            Ok(body) => DataJson::Body(body),
            Err(_) => DataJson::LeftOut(String::from_utf8_lossy(&spec.body).into_owned()),
        };
        let return_value = record.result.as_ref().map(|result| match result.body.len() {
            bytes if bytes > most => left_out(bytes),
            _ => DataJson::Result(ResultJson::from(result)),
        });
        let delayed_until = record.run_at.or(spec.options.first_run(spec.created_at));
        Self {
            id: spec.id,
            name: spec.function.to_string(),
            status: status.word(),
            timestamp: spec.created_at.as_millis(),
            processed_on: last.map(|attempt| attempt.started_at.as_millis()),
            processed_by: last.map(|attempt| attempt.worker.to_string()),
            finished_on: record.finished_at.map(Timestamp::as_millis),
            progress: 0,
            attempts: record.attempts.len() + usize::from(view.current.is_some()),
            delay: delayed_until.map_or(0, |at| at.as_millis() - spec.created_at.as_millis()),
            failed_reason: failed_reason(record),
            stacktrace: record.attempts.iter().filter_map(trace).collect(),
            opts: OptsJson::of(&spec.options, spec.mode, record.priority),
            data,
            return_value,
            is_failed: status == Status::Failed,
            external_url: None,
            group_id: None,
        }
    }
}

/// Why a job is failed; bull-board knows no job that was cancelled.
fn failed_reason(record: &TaskRecord) -> Option<String> {
    match record.state {
        TaskState::Cancelled => Some("cancelled".to_owned()),
        TaskState::Failed => {
            let code = record.code.map_or("failed", crate::task::ErrorCode::word);
            Some(record.error.as_deref().map_or_else(|| code.to_owned(), |error| format!("{error} ({code})")))
        }
        _ => None,
    }
}

/// What there is instead of a stack: which attempt ended how, and where.
fn trace(attempt: &Attempt) -> Option<String> {
    let word = match attempt.outcome? {
        AttemptOutcome::Completed => return None,
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::Disconnected => "the worker broke off",
        AttemptOutcome::TimedOut => "the time limit passed",
        AttemptOutcome::Cancelled => "cancelled",
        AttemptOutcome::Interrupted => "interrupted",
    };
    let status = attempt.status.map_or_else(String::new, |status| format!(" with status {status}"));
    Some(format!("attempt {} on {}: {word}{status}", attempt.n, attempt.worker))
}

impl OptsJson {
    fn of(options: &TaskOptions, mode: Mode, priority: Option<Priority>) -> Self {
        Self {
            mode,
            priority,
            attempts: options.attempts,
            timeout_ms: options.timeout.map(|timeout| timeout.as_millis()),
            delay: options.delay.map(|delay| delay.as_millis()),
            run_at: options.run_at,
            key: options.key.as_deref().map(str::to_owned),
            tenant: options.tenant.as_deref().map(str::to_owned),
        }
    }
}

/// The task of that path, if it is in that lane.
pub(super) async fn find(state: &DashboardState, queue: &str, job: &str) -> Result<TaskView, BoardError> {
    let lane = lane_of(state, queue).await?.lane;
    let id: TaskId = job.parse().map_err(|_| BoardError::no_job(job))?;
    let view = state.live.view.dispatcher.task_view(id).await?;
    view.filter(|view| view.record.spec.lane == lane).ok_or_else(|| BoardError::no_job(job))
}

/// One job.
pub(super) async fn show(
    State(state): State<DashboardState>,
    Path((queue, job)): GivenJob,
) -> Result<Json<Value>, BoardError> {
    let view = find(&state, &queue, &job).await?;
    Ok(Json(json!({ "job": JobJson::whole(&view), "status": Status::of(&view.record).word() })))
}

/// What the balancer has logged of it lately.
pub(super) async fn logs(
    State(state): State<DashboardState>,
    Path((queue, job)): GivenJob,
) -> Result<Json<Vec<String>>, BoardError> {
    let view = find(&state, &queue, &job).await?;
    let id = view.record.spec.id.to_string();
    let (lines, _) = state.live.view.logs.since(0);
    Ok(Json(lines.iter().filter(|line| line.contains(&id)).map(ToString::to_string).collect()))
}

/// It stands alone: tasks have no parents.
pub(super) async fn flow(
    State(state): State<DashboardState>,
    Path((queue, job)): GivenJob,
) -> Result<Json<Value>, BoardError> {
    let id = find(&state, &queue, &job).await?.record.spec.id;
    Ok(Json(json!({ "nodeId": id, "isFlowNode": false, "flowRoot": null })))
}
