//! `GET /events` and `GET /tasks/{id}/events`: what happens to tasks, as server-sent events.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use serde_json::json;

use super::reply::name_task;
use super::task_json::TaskJson;
use super::tasks::{GivenId, task_id, unknown};
use super::{ApiError, ApiState, task_filter};
use crate::dispatch::{EventReceiver, FollowUp, Heard, Refusal, TaskEvent, TaskFollower};
use crate::queue::TaskFilter;
use crate::task::{Contract, ErrorCode, TaskId, TaskState, Timestamp};

/// A stream of which nothing is heard gets a comment that often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The filters that an event has the fields for.
const FILTERS: [&str; 4] = ["state", "group", "function", "contract"];

/// An event as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventJson<'a> {
    task_id: TaskId,
    state: TaskState,
    group: &'a str,
    function: &'a str,
    contract: Contract,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
}

/// Tells what happens to all tasks that match.
pub(super) async fn all(
    State(state): State<ApiState>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(parameters) = query.map_err(|error| bad(error.body_text()))?;
    let filter = filter(&parameters)?;
    if state.dispatcher.is_draining() {
        return Err(Refusal::shutting_down().into());
    }
    Ok(respond(told(state.dispatcher.events(), filter)))
}

/// Tells what happens to one task, to its end.
pub(super) async fn one(State(state): State<ApiState>, id: GivenId) -> Result<Response, ApiError> {
    let task = task_id(id)?;
    if state.dispatcher.is_draining() {
        return Err(Refusal::shutting_down().into());
    }
    let follower = state.dispatcher.follow(task).await?.ok_or_else(|| unknown(&task.to_string()))?;
    let mut response = respond(followed(follower));
    name_task(response.headers_mut(), task);
    Ok(response)
}

fn respond(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn told(events: EventReceiver, filter: TaskFilter) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold((events, filter), |(mut events, filter)| async {
        loop {
            let event = match events.next().await? {
                Heard::Event(event) if !matches(&filter, &event) => continue,
                Heard::Event(event) => change(&event),
                Heard::Lagged(missed) => named("lagged", &json!({ "missed": missed })),
            };
            return Some((Ok(event), (events, filter)));
        }
    })
}

fn followed(follower: TaskFollower) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold(follower, |mut follower| async {
        let event = match follower.next().await? {
            FollowUp::Task(view) => named(view.record.state.word(), &TaskJson::from(&*view)),
            FollowUp::Event(event) => change(&event),
        };
        Some((Ok(event), follower))
    })
}

fn change(event: &Arc<TaskEvent>) -> Event {
    named(event.state.word(), &EventJson::from(&**event))
}

fn named(name: &str, data: &impl Serialize) -> Event {
    // What is serialized here has no maps with keys that are no texts, the one thing that fails.
    Event::default().event(name).json_data(data).unwrap_or_default()
}

/// Reads the parameters, as `GET /tasks` reads those of them that it has too.
fn filter(parameters: &[(String, String)]) -> Result<TaskFilter, ApiError> {
    let mut filter = TaskFilter::default();
    let mut seen = HashSet::new();
    for (name, text) in parameters {
        if !seen.insert(name) {
            return Err(bad(format!("{name} is there more than once")));
        }
        if !FILTERS.contains(&name.as_str()) || !task_filter::set(&mut filter, name, text).map_err(bad)? {
            return Err(bad(format!("{name} is not known")));
        }
    }
    Ok(filter)
}

fn matches(filter: &TaskFilter, event: &TaskEvent) -> bool {
    (filter.states.is_empty() || filter.states.contains(&event.state))
        && filter.group.as_ref().is_none_or(|group| *group == event.lane.group)
        && filter.contract.is_none_or(|contract| contract == event.lane.contract)
        && filter.function.as_ref().is_none_or(|function| *function == event.function)
}

fn bad(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidQuery, message)
}

impl<'a> From<&'a TaskEvent> for EventJson<'a> {
    fn from(event: &'a TaskEvent) -> Self {
        let attempt = event.attempt.as_ref();
        Self {
            task_id: event.task,
            state: event.state,
            group: &event.lane.group,
            function: &event.function,
            contract: event.lane.contract,
            at: event.at,
            attempt: attempt.map(|(number, _)| *number),
            worker: attempt.map(|(_, worker)| &**worker),
            run_at: event.run_at,
            error: event.error.as_deref(),
            code: event.code,
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_kept_alive() {
        let began = tokio::time::Instant::now();
        let mut body = respond(stream::pending()).into_body();
        let frame = body.frame().await.unwrap().unwrap();
        assert!(frame.into_data().unwrap().starts_with(b":"), "a comment");
        assert_eq!(began.elapsed(), KEEP_ALIVE);
    }

    #[test]
    fn filters_are_read_and_others_named() {
        let read = |name: &str, text: &str| filter(&[(name.to_owned(), text.to_owned())]);
        assert_eq!(read("state", "failed,cancelled").unwrap().states, [TaskState::Failed, TaskState::Cancelled]);
        for (name, text) in [("state", "done"), ("contract", "one"), ("tenant", "t"), ("limit", "1")] {
            let (error, code, _) = read(name, text).unwrap_err().into_parts();
            assert_eq!(code, ErrorCode::InvalidQuery);
            assert!(error.starts_with(name), "{error}");
        }
    }
}
