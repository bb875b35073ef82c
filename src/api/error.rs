//! The one error type of the HTTP interface.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::reply::TASK_ID;
use crate::dispatch::Refusal;
use crate::queue::QueueError;
use crate::task::{BadRequest, ErrorCode, TaskId};

/// An error as the client sees it. What only operators should know goes to the log where it happens.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    task: Option<TaskId>,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// An error; its status follows from its code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), task: None, retry_after: None }
    }

    /// Names the task.
    #[must_use]
    pub fn of(self, task: TaskId) -> Self {
        Self { task: Some(task), ..self }
    }

    /// The sentence, the word and the task, for an answer that is only a part of a response.
    pub(crate) fn into_parts(self) -> (String, ErrorCode, Option<TaskId>) {
        (self.message, self.code, self.task)
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::NotFound | ErrorCode::UnknownFunction | ErrorCode::TaskNotFound | ErrorCode::PolicyNotFound => {
                StatusCode::NOT_FOUND
            }
            ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::InvalidJson
            | ErrorCode::MissingWorkerKey
            | ErrorCode::MissingField
            | ErrorCode::InvalidGroup
            | ErrorCode::InvalidFunction
            | ErrorCode::InvalidContract
            | ErrorCode::InvalidPriority
            | ErrorCode::InvalidMode
            | ErrorCode::InvalidWebhook
            | ErrorCode::InvalidOptions
            | ErrorCode::InvalidIdempotencyKey
            | ErrorCode::InvalidQuery
            | ErrorCode::InvalidAction
            | ErrorCode::InvalidFilter
            | ErrorCode::UnknownField
            | ErrorCode::InvalidPolicyName => StatusCode::BAD_REQUEST,
            ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::BodyTooLarge | ErrorCode::BatchTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::QueueFull | ErrorCode::PolicyRejected | ErrorCode::TooManyRequests => {
                StatusCode::TOO_MANY_REQUESTS
            }
            ErrorCode::IdempotencyMismatch | ErrorCode::PolicyRefused => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Cancelled
            | ErrorCode::ClientGone
            | ErrorCode::TaskEnded
            | ErrorCode::TaskNotEnded
            | ErrorCode::TaskNotDelayed
            | ErrorCode::TaskNotWaiting
            | ErrorCode::StreamInProgress
            | ErrorCode::StreamFinished
            | ErrorCode::CredentialUnreadable
            | ErrorCode::NoEarlierVersion
            | ErrorCode::PolicyNotActivated => StatusCode::CONFLICT,
            ErrorCode::NoWorker | ErrorCode::QueueUnavailable | ErrorCode::PolicyFailed | ErrorCode::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ErrorCode::Timeout | ErrorCode::Expired => StatusCode::GATEWAY_TIMEOUT,
            ErrorCode::Interrupted
            | ErrorCode::Rejected
            | ErrorCode::WorkerFailed
            | ErrorCode::WorkerUnreachable
            | ErrorCode::WebhookFailed
            | ErrorCode::ResultTooLarge => StatusCode::BAD_GATEWAY,
            ErrorCode::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut body = json!({ "error": self.message, "code": self.code });
        if let Some(task) = self.task {
            body["taskId"] = json!(task);
        }
        let mut response = (status, Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            // Whole seconds (RFC 9110, 10.2.3); a client that comes a moment late is better than one too early.
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(RETRY_AFTER, value);
            }
        }
        if let Some(value) = self.task.and_then(|task| HeaderValue::from_str(&task.to_string()).ok()) {
            response.headers_mut().insert(TASK_ID, value);
        }
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, message: refusal.message, task: refusal.task, retry_after: refusal.retry_after }
    }
}

impl From<BadRequest> for ApiError {
    fn from(bad: BadRequest) -> Self {
        Self::new(bad.code, bad.message)
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        tracing::warn!(%error, "the queue refused");
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(ErrorCode::QueueUnavailable, "The queue does not answer")
        }
    }
}
