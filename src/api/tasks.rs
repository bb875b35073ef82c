//! `/tasks/{id}`: one task.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::reply::name_task;
use super::task_json::TaskJson;
use super::{ApiError, ApiState, query};
use crate::task::{ErrorCode, TaskId};

/// The longest a client may wait for a task's end in one request.
const MAX_WAIT: Duration = Duration::from_mins(5);

#[derive(Debug, Deserialize)]
pub(super) struct ShowQuery {
    wait: Option<String>,
}

/// Gives a task; with `?wait=30s` once it has ended, or after that time.
pub(super) async fn show(
    State(state): State<ApiState>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<ShowQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    // An id that is no text at all is as unknown as any other.
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let unknown = || ApiError::new(ErrorCode::TaskNotFound, format!("There is no task {id}"));
    let Query(query) = query.map_err(|error| ApiError::new(ErrorCode::InvalidQuery, error.body_text()))?;
    let wait = query.wait.as_deref().map(|text| query::duration("wait", text)).transpose()?;
    let task: TaskId = id.parse().map_err(|_| unknown())?;
    let view = match wait {
        Some(wait) => state.dispatcher.task_view_at_end(task, wait.min(MAX_WAIT)).await?,
        None => state.dispatcher.task_view(task).await?,
    };
    let view = view.ok_or_else(unknown)?;
    let mut response = Json(TaskJson::from(&view)).into_response();
    name_task(response.headers_mut(), task);
    Ok(response)
}
