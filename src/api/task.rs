//! `POST /task`.

use std::panic::AssertUnwindSafe;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{ACCEPT_ENCODING, LOCATION};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use serde_json::json;
use smallvec::SmallVec;

use super::auth::bare;
use super::reply::{name_task, respond};
use super::{ApiError, ApiState, body, compression, idempotency};
use crate::dispatch::{Accepted, Submission};
use crate::task::{ErrorCode, Mode, TaskId, TaskRequest, WorkerKey};

/// What the original answers without a worker key.
const MISSING_WORKER_KEY: &str = "Missing x-wr-auth header (worker AUTH_KEY) in request";

/// The answer to `POST /task`: what the [router](super::router) would answer, without the way through it, which is a tenth of what a
/// task costs.
pub async fn post_task(state: &ApiState, request: Request<Body>) -> Response {
    if let Err(refused) = state.key.check(request.headers()) {
        return refused.into_response();
    }
    let accepts: SmallVec<[HeaderValue; 1]> = request.headers().get_all(ACCEPT_ENCODING).iter().cloned().collect();
    let submitted = AssertUnwindSafe(submit_to(state, request)).catch_unwind().await;
    let response = match submitted {
        Ok(response) => response.unwrap_or_else(IntoResponse::into_response),
        Err(_) => super::panicked(),
    };
    compression::compressed(response, accepts).await
}

/// Takes a task in; for sync and stream the response is the worker's.
pub(super) async fn submit(State(state): State<ApiState>, request: Request<Body>) -> Result<Response, ApiError> {
    submit_to(&state, request).await
}

async fn submit_to(state: &ApiState, request: Request<Body>) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let worker_key = worker_key(&head.headers)?;
    let key = idempotency::key(&head.headers)?;
    let body = body::read_json(&head.headers, body, state.body_limit).await?;
    let sent = body.clone();
    let mut request = TaskRequest::parse(body)?;
    let mode = request.mode;
    let idempotency = idempotency::of(key, &mut request, &sent, &worker_key)?;
    drop(sent);
    let submission = Submission { request, worker_key, idempotency };
    Ok(match state.dispatcher.submit(submission).await? {
        Accepted::Replied(task, reply) => respond(task, reply),
        Accepted::Queued(task) => accepted(task, mode),
    })
}

pub(crate) fn worker_key(headers: &HeaderMap) -> Result<WorkerKey, ApiError> {
    let key = headers.get("x-wr-auth").and_then(|value| value.to_str().ok()).map(bare).filter(|key| !key.is_empty());
    key.map(WorkerKey::new).ok_or_else(|| ApiError::new(ErrorCode::MissingWorkerKey, MISSING_WORKER_KEY))
}

pub(super) fn accepted(task: TaskId, mode: Mode) -> Response {
    let mut response = if mode == Mode::Webhook {
        let message = "Task accepted, result will be sent to webhook";
        Json(json!({ "success": true, "message": message })).into_response()
    } else {
        (StatusCode::ACCEPTED, Json(json!({ "taskId": task, "status": "queued" }))).into_response()
    };
    if mode == Mode::Async
        && let Ok(location) = HeaderValue::from_str(&format!("/tasks/{task}"))
    {
        response.headers_mut().insert(LOCATION, location);
    }
    name_task(response.headers_mut(), task);
    response
}
