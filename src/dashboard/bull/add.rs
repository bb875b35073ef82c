//! A job is added: a task is submitted.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::error::BoardError;
use super::job::JobJson;
use super::queues::lane_of;
use super::status::Status;
use crate::api::{ApiError, worker_key};
use crate::dashboard::DashboardState;
use crate::dispatch::{Accepted, Submission};
use crate::task::{ErrorCode, LaneKey, TaskRequest};

/// What bull-board sends.
#[derive(Deserialize)]
struct Added {
    #[serde(default)]
    name: String,
    data: Option<Box<RawValue>>,
    options: Option<BTreeMap<String, Box<RawValue>>>,
}

type Members = BTreeMap<String, Box<RawValue>>;

/// Submits a task: `name` is the function, `data` its input, or a whole body as jobs show it. The worker's key comes in `x-wr-auth`, as
/// with every task.
pub(super) async fn add(
    State(state): State<DashboardState>,
    Path(queue): Path<String>,
    request: Request<Body>,
) -> Result<Json<Value>, BoardError> {
    let lane = lane_of(&state, &queue).await?.lane;
    let (head, body) = request.into_parts();
    let worker_key = worker_key(&head.headers)?;
    let too_large = || ApiError::new(ErrorCode::BodyTooLarge, "The job is too large");
    let body = axum::body::to_bytes(body, state.body_limit).await.map_err(|_| too_large())?;
    let added: Added = serde_json::from_slice(&body)
        .map_err(|error| BoardError::bad(format!("The body is no {{name, data, options}}: {error}")))?;
    let body = task_body(&lane, added).map_err(|error| BoardError::bad(error.to_string()))?;
    let mut request = TaskRequest::parse(Bytes::from(body)).map_err(ApiError::from)?;
    // A job that is added again is another one.
    request.options.idempotency_key = None;
    let dispatcher = &state.live.view.dispatcher;
    let submission = Submission { request, worker_key, idempotency: None };
    let (Accepted::Queued(id) | Accepted::Replied(id, _)) = dispatcher.submit(submission).await?;
    let view = dispatcher.task_view(id).await?.ok_or_else(|| BoardError::no_job(&id.to_string()))?;
    Ok(Json(json!({ "job": JobJson::whole(&view), "status": Status::of(&view.record).word() })))
}

/// The body of the task. Nobody waits for its result, so a mode that waits becomes async.
fn task_body(lane: &LaneKey, added: Added) -> Result<Vec<u8>, serde_json::Error> {
    let data = added.data.filter(|data| data.get() != "null");
    let whole = data.as_ref().and_then(|data| serde_json::from_str::<Members>(data.get()).ok());
    let mut members = match (whole.filter(|members| members.contains_key("function")), data) {
        (Some(members), _) => members,
        (None, Some(data)) => Members::from([("input".to_owned(), data)]),
        (None, None) => Members::new(),
    };
    let mut set = |name: &str, value: Box<RawValue>| members.insert(name.to_owned(), value);
    set("group", to_raw_value(&lane.group)?);
    set("contract", to_raw_value(&lane.contract)?);
    if !added.name.is_empty() {
        set("function", to_raw_value(&added.name)?);
    }
    if let Some(mut options) = added.options.filter(|options| !options.is_empty()) {
        if let Some(priority) = options.remove("priority") {
            set("priority", priority);
        }
        if let Some(delay) = options.remove("delay") {
            options.insert("delayMs".to_owned(), delay);
        }
        set("options", to_raw_value(&options)?);
    }
    if members.get("mode").is_none_or(|mode| mode.get() != r#""webhook""#) {
        members.insert("mode".to_owned(), to_raw_value("async")?);
    }
    serde_json::to_vec(&members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Contract;

    fn body(added: Value) -> Value {
        let lane = LaneKey::new("g", Contract::new(1.5).unwrap());
        let body = task_body(&lane, serde_json::from_value(added).unwrap()).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn data_is_the_input_or_a_whole_body_that_goes_to_this_lane() {
        let plain = body(json!({ "name": "f", "data": { "a": 1 }, "options": { "delay": 5, "priority": 2 } }));
        assert_eq!(
            plain,
            json!({ "group": "g", "contract": 1.5, "function": "f", "mode": "async", "priority": 2,
                "input": { "a": 1 }, "options": { "delayMs": 5 } })
        );
        let whole =
            json!({ "group": "other", "contract": 1, "function": "f", "mode": "sync", "input": 7, "own": true });
        assert_eq!(
            body(json!({ "data": whole })),
            json!({ "group": "g", "contract": 1.5, "function": "f", "mode": "async", "input": 7, "own": true })
        );
    }
}
