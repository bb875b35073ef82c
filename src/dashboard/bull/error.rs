//! Errors as bull-board has them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::api::ApiError;
use crate::dispatch::Refusal;
use crate::queue::QueueError;

/// An error: `{error: {key, options}, message, code}`.
#[derive(Debug)]
pub(super) struct BoardError {
    status: StatusCode,
    code: String,
    message: String,
}

impl BoardError {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    pub(super) fn no_queue(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "QUEUE_NOT_FOUND", format!("There is no queue {name}"))
    }

    pub(super) fn no_job(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "JOB_NOT_FOUND", format!("There is no job {id}"))
    }

    pub(super) fn active() -> Self {
        Self::new(StatusCode::CONFLICT, "JOB_IS_ACTIVE", "The job is active: cancel it first")
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }
}

impl From<ApiError> for BoardError {
    fn from(error: ApiError) -> Self {
        let status = error.status();
        let (message, code, _) = error.into_parts();
        Self { status, code: code.word().to_ascii_uppercase(), message }
    }
}

impl From<Refusal> for BoardError {
    fn from(refusal: Refusal) -> Self {
        ApiError::from(refusal).into()
    }
}

impl From<QueueError> for BoardError {
    fn from(error: QueueError) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for BoardError {
    fn into_response(self) -> Response {
        let Self { status, code, message } = self;
        (status, Json(json!({ "error": { "key": code, "options": {} }, "message": message, "code": code })))
            .into_response()
    }
}
