//! `/tasks/{id}`: one task, and what may be asked for it.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use serde::Deserialize;

use super::reply::name_task;
use super::task::accepted;
use super::task_json::TaskJson;
use super::{ApiError, ApiState, body, query};
use crate::dispatch::{CancelOutcome, TaskView};
use crate::task::{ErrorCode, Mode, PriorityChange, Replacements, TaskId, TaskState};

/// The longest a client may wait for a task's end in one request.
const MAX_WAIT: Duration = Duration::from_mins(5);
/// How long a run that was told to stop may take to do so.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The id in the path.
pub(super) type GivenId = Result<Path<String>, PathRejection>;

#[derive(Debug, Deserialize)]
pub(super) struct ShowQuery {
    wait: Option<String>,
}

/// Gives a task; with `?wait=30s` once it has ended, or after that time.
pub(super) async fn show(
    State(state): State<ApiState>,
    id: GivenId,
    query: Result<Query<ShowQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::new(ErrorCode::InvalidQuery, error.body_text()))?;
    let wait = query.wait.as_deref().map(|text| query::duration("wait", text)).transpose()?;
    let task = task_id(id)?;
    let view = match wait {
        Some(wait) => state.dispatcher.task_view_at_end(task, wait.min(MAX_WAIT)).await?,
        None => state.dispatcher.task_view(task).await?,
    };
    respond(task, view)
}

/// Ends a task. The answer comes once it has ended; 202 if that takes too long.
pub(super) async fn cancel(State(state): State<ApiState>, id: GivenId) -> Result<Response, ApiError> {
    let task = task_id(id)?;
    let ended = || ApiError::new(ErrorCode::TaskEnded, "The task has ended already").of(task);
    let view = match state.dispatcher.cancel(task).await? {
        CancelOutcome::Unknown => return Err(unknown(&task.to_string())),
        CancelOutcome::Ended => return Err(ended()),
        CancelOutcome::Done => state.dispatcher.task_view(task).await?,
        CancelOutcome::Stopping => state.dispatcher.task_view_at_end(task, STOP_LIMIT).await?,
    };
    match view.as_ref().map(|view| view.record.state) {
        Some(TaskState::Completed | TaskState::Failed) => Err(ended()),
        Some(TaskState::Queued | TaskState::Delayed | TaskState::Running) => {
            Ok((StatusCode::ACCEPTED, respond(task, view)?).into_response())
        }
        _ => respond(task, view),
    }
}

/// Runs a task that has ended again.
pub(super) async fn retry(State(state): State<ApiState>, id: GivenId) -> Result<Response, ApiError> {
    let task = task_id(id)?;
    state.dispatcher.retry(task).await?;
    respond_as_it_stands(&state, task).await
}

/// Takes in a new task like that one, with its worker key.
pub(super) async fn duplicate(
    State(state): State<ApiState>,
    id: GivenId,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let task = task_id(id)?;
    let (head, body) = request.into_parts();
    let body = body::read(&head.headers, body, state.body_limit).await?;
    if !body.is_empty() && !body::is_json(&head.headers) {
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, "The content type must be application/json"));
    }
    let new = state.dispatcher.duplicate(task, &Replacements::parse(&body)?).await?;
    Ok(accepted(new, Mode::Async))
}

/// Makes a delayed task claimable now.
pub(super) async fn promote(State(state): State<ApiState>, id: GivenId) -> Result<Response, ApiError> {
    let task = task_id(id)?;
    state.dispatcher.promote(task).await?;
    respond_as_it_stands(&state, task).await
}

/// Changes the priority of a task that waits.
pub(super) async fn change(
    State(state): State<ApiState>,
    id: GivenId,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let task = task_id(id)?;
    let (head, body) = request.into_parts();
    let body = body::read_json(&head.headers, body, state.body_limit).await?;
    let change = PriorityChange::parse(&body)?;
    state.dispatcher.reprioritize(task, change.priority).await?;
    respond_as_it_stands(&state, task).await
}

pub(super) fn task_id(id: GivenId) -> Result<TaskId, ApiError> {
    // An id that is no text at all is as unknown as any other.
    let id = id.map(|Path(id)| id).unwrap_or_default();
    id.parse().map_err(|_| unknown(&id))
}

pub(super) fn unknown(id: &str) -> ApiError {
    ApiError::new(ErrorCode::TaskNotFound, format!("There is no task {id}"))
}

/// Shows a task as it stands after a change.
async fn respond_as_it_stands(state: &ApiState, task: TaskId) -> Result<Response, ApiError> {
    respond(task, state.dispatcher.task_view(task).await?)
}

fn respond(task: TaskId, view: Option<TaskView>) -> Result<Response, ApiError> {
    let view = view.ok_or_else(|| unknown(&task.to_string()))?;
    let mut response = Json(TaskJson::from(&view)).into_response();
    name_task(response.headers_mut(), task);
    Ok(response)
}
