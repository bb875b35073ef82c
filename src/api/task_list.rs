//! `GET /tasks`: the tasks, by filter, page by page.

use std::collections::HashSet;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::task_json::TaskJson;
use super::{ApiError, ApiState, task_filter};
use crate::queue::TaskFilter;
use crate::task::{ErrorCode, TaskId};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 1_000;

#[derive(Serialize)]
struct ListJson<'a> {
    tasks: Vec<TaskJson<'a>>,
    next: Option<TaskId>,
}

/// Lists tasks, newest first.
pub(super) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(parameters) = query.map_err(|error| bad(error.body_text()))?;
    let listing = state.dispatcher.list(filter(&parameters)?).await?;
    let tasks = listing.tasks.iter().map(TaskJson::listed).collect();
    Ok(Json(ListJson { tasks, next: listing.next }).into_response())
}

/// Reads the parameters of `GET /tasks`. Unknown and repeated ones are refused: a misspelt filter must not pass for none.
pub fn filter(parameters: &[(String, String)]) -> Result<TaskFilter, ApiError> {
    let mut filter = TaskFilter { limit: DEFAULT_LIMIT, ..TaskFilter::default() };
    let mut seen = HashSet::new();
    for (name, text) in parameters {
        if !seen.insert(name) {
            return Err(bad(format!("{name} is there more than once")));
        }
        match name.as_str() {
            "limit" => {
                let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                filter.limit = limit.ok_or_else(|| bad(format!("limit must be an integer from 1 to {MAX_LIMIT}")))?;
            }
            "cursor" => {
                let cursor =
                    text.parse().map_err(|_| bad("cursor must be what an earlier answer gave as next".to_owned()));
                filter.before = Some(cursor?);
            }
            _ if task_filter::set(&mut filter, name, text).map_err(bad)? => {}
            _ => return Err(bad(format!("{name} is not known"))),
        }
    }
    Ok(filter)
}

fn bad(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidQuery, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskState;

    fn read(parameters: &[(&str, &str)]) -> Result<TaskFilter, ApiError> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        filter(&parameters.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn reads_every_parameter() {
        let id = "018c0000-0000-7000-8000-000000000000";
        let filter = read(&[
            ("state", "failed,cancelled"),
            ("contract", "1.0"),
            ("worker", "http://w:1/"),
            ("since", "2026-01-01T00:00:00Z"),
            ("until", "2026-01-01T01:00:00+01:00"),
            ("limit", "1000"),
            ("cursor", id),
        ])
        .unwrap();
        assert_eq!(filter.states, [TaskState::Failed, TaskState::Cancelled]);
        assert_eq!((filter.contract, filter.worker), ("1".parse().ok(), Some("http://w:1".into())));
        assert_eq!(filter.since, filter.until, "one moment in two zones");
        assert_eq!((filter.limit, filter.before), (1_000, id.parse().ok()));
        assert_eq!(read(&[]).unwrap().limit, 50);
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for (name, text) in [
            ("state", ""),
            ("state", "failed,"),
            ("state", "Failed"),
            ("contract", "one"),
            ("since", "yesterday"),
            ("until", "2026-01-01"),
            ("limit", "0"),
            ("limit", "1001"),
            ("limit", "-1"),
            ("cursor", "7"),
            ("stat", "failed"),
        ] {
            assert!(read(&[(name, text)]).is_err(), "{name}={text}");
        }
        assert!(read(&[("q", "a"), ("q", "b")]).is_err());
    }
}
