//! What a client sent with a task: its input and options. The rest of the body may hold secrets, and no page shows them.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::api::ApiError;
use crate::dashboard::DashboardState;
use crate::task::{ErrorCode, TaskId};

/// Bytes of an input that are sent. More is no sight for people.
const MOST: usize = 256 * 1024;

/// The parts of a body that are shown.
#[derive(Default, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    options: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentJson<'a> {
    /// The input; absent if there is none, or too much of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a RawValue>,
    /// The beginning of an input that is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_start: Option<&'a str>,
    input_bytes: usize,
    options: Option<&'a RawValue>,
    /// Where the result goes, in mode `webhook`.
    webhook: Option<&'a str>,
    /// Whether the task can be run again with its own worker key.
    key_readable: bool,
}

/// The input and options of a task.
pub(in crate::dashboard) async fn show(
    State(state): State<DashboardState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::new(ErrorCode::TaskNotFound, format!("There is no task {id}"));
    let task: TaskId = id.parse().map_err(|_| unknown())?;
    let record = state.live.view.dispatcher.queue().get(task).await?.ok_or_else(unknown)?;
    let spec = &record.spec;
    // A member that stands there twice leaves nothing to show.
    let body: Body<'_> = serde_json::from_slice(&spec.body).unwrap_or_default();
    let text = body.input.map_or("", RawValue::get);
    let long = text.len() > MOST;
    let sent = SentJson {
        input: body.input.filter(|_| !long),
        input_start: long.then(|| &text[..text.floor_char_boundary(MOST)]),
        input_bytes: text.len(),
        options: body.options,
        webhook: spec.webhook.as_ref().map(|webhook| webhook.url.as_ref()),
        key_readable: spec.worker_key.is_readable(),
    };
    Ok(Json(sent).into_response())
}
