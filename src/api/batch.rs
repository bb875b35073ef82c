//! `POST /tasks`: many tasks in one request.

mod items;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::Request;
use serde::Serialize;

use self::items::Form;
use super::idempotency::{self, IDEMPOTENCY_KEY};
use super::task::worker_key;
use super::{ApiError, ApiState, body};
use crate::dispatch::{Refusal, Submission};
use crate::task::{ErrorCode, Mode, TaskId, TaskRequest, WorkerKey};

/// Items read before others have their turn.
const ITEMS_AT_ONCE: usize = 500;

/// The answer for one item.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Item {
    #[serde(rename_all = "camelCase")]
    Taken { task_id: TaskId, status: &'static str },
    #[serde(rename_all = "camelCase")]
    Refused {
        error: String,
        code: ErrorCode,
        #[serde(skip_serializing_if = "Option::is_none")]
        task_id: Option<TaskId>,
    },
}

/// Takes many tasks in, each by itself; answers in their order.
pub(super) async fn submit(State(state): State<ApiState>, request: Request<Body>) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let worker_key = worker_key(&head.headers)?;
    if head.headers.contains_key(IDEMPOTENCY_KEY) {
        let message = "A batch takes no Idempotency-Key: give each item one of its own in options.idempotencyKey";
        return Err(ApiError::new(ErrorCode::InvalidIdempotencyKey, message));
    }
    let form = Form::of(&head.headers)?;
    let body = body::read(&head.headers, body, state.body_limit).await?;
    if state.dispatcher.is_draining() {
        return Err(Refusal::shutting_down().into());
    }

    let mut submissions = Vec::new();
    let mut answers = Vec::new();
    for (at, item) in form.items(&body)?.into_iter().enumerate() {
        match submission(item, &worker_key) {
            Ok(submission) => {
                submissions.push(submission);
                answers.push(None);
            }
            Err(error) => answers.push(Some(Item::from(error))),
        }
        if at % ITEMS_AT_ONCE == ITEMS_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
    }
    let mut taken = state.dispatcher.submit_many(submissions).await.into_iter().map(Item::from);
    let answers: Vec<Item> = answers.into_iter().filter_map(|answer| answer.or_else(|| taken.next())).collect();
    Ok(Json(answers).into_response())
}

/// One item as a submission of its own.
fn submission(item: &[u8], worker_key: &WorkerKey) -> Result<Submission, ApiError> {
    // A copy: else one task that is kept would keep the whole batch.
    let mut request = TaskRequest::parse(Bytes::copy_from_slice(item))?;
    match request.mode {
        Mode::Stream => return Err(ApiError::new(ErrorCode::InvalidMode, "mode stream is not possible in a batch")),
        Mode::Sync => request.mode = Mode::Async,
        Mode::Async | Mode::Webhook => {}
    }
    let idempotency = idempotency::of(None, &mut request, item, worker_key)?;
    Ok(Submission { request, worker_key: worker_key.clone(), idempotency })
}

impl From<Result<TaskId, Refusal>> for Item {
    fn from(taken: Result<TaskId, Refusal>) -> Self {
        match taken {
            Ok(task_id) => Self::Taken { task_id, status: "queued" },
            Err(refusal) => Self::from(ApiError::from(refusal)),
        }
    }
}

impl From<ApiError> for Item {
    fn from(error: ApiError) -> Self {
        let (error, code, task_id) = error.into_parts();
        Self::Refused { error, code, task_id }
    }
}
