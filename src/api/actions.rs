//! `POST /tasks/actions`: one action for all tasks that match a filter.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::Request;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use super::{ApiError, ApiState, body, task_filter};
use crate::dispatch::BulkAction;
use crate::queue::TaskFilter;
use crate::task::ErrorCode;

/// What is asked for.
#[derive(Debug)]
struct Asked {
    action: BulkAction,
    filter: TaskFilter,
    dry_run: bool,
}

/// What became of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DoneJson {
    action: &'static str,
    dry_run: bool,
    matched: u64,
    done: u64,
    skipped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
}

/// The value of a filter: a text, or what is a list or a number by nature.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Texts(Vec<String>),
    Number(Number),
}

/// Does something to all tasks that match, or counts them.
pub(super) async fn act(State(state): State<ApiState>, request: Request<Body>) -> Result<Json<DoneJson>, ApiError> {
    let (head, body) = request.into_parts();
    let body = body::read_json(&head.headers, body, state.body_limit).await?;
    let Asked { action, filter, dry_run } = parse(&body)?;
    let report = state.dispatcher.act_on_all(action, filter, dry_run).await;
    let (error, code) = match report.stopped {
        // Nothing has changed: it is an error like any other.
        Some(refusal) if report.done == 0 => return Err(refusal.into()),
        Some(refusal) => (Some(refusal.message), Some(refusal.code)),
        None => (None, None),
    };
    let (matched, done, skipped) = (report.matched, report.done, report.skipped);
    Ok(Json(DoneJson { action: action.word(), dry_run, matched, done, skipped, error, code }))
}

/// Reads the body. What is missing, unknown or unreadable is named: a misspelt filter must not pass for none.
fn parse(body: &[u8]) -> Result<Asked, ApiError> {
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_slice(body)
        .map_err(|_| ApiError::new(ErrorCode::InvalidJson, "The body must be a JSON object"))?;
    let mut member = |name: &str| members.remove(name);
    let missing = |name: &str| ApiError::new(ErrorCode::MissingField, format!("{name} is missing"));
    let action = member("action").ok_or_else(|| missing("action"))?;
    let filter = member("filter").ok_or_else(|| missing("filter"))?;
    let dry_run = member("dryRun");
    if let Some(name) = members.keys().next() {
        return Err(unknown(name));
    }
    Ok(Asked {
        action: read_action(action)?,
        filter: read_filter(filter)?,
        dry_run: dry_run
            .map_or(Ok(false), |dry_run| serde_json::from_str(dry_run.get()))
            .map_err(|_| ApiError::new(ErrorCode::InvalidAction, "dryRun must be true or false"))?,
    })
}

fn read_action(value: &RawValue) -> Result<BulkAction, ApiError> {
    let word: String = serde_json::from_str(value.get()).unwrap_or_default();
    BulkAction::ALL.into_iter().find(|action| action.word() == word).ok_or_else(|| {
        let words = BulkAction::ALL.map(BulkAction::word).join(", ");
        ApiError::new(ErrorCode::InvalidAction, format!("action must be one of {words}"))
    })
}

fn read_filter(value: &RawValue) -> Result<TaskFilter, ApiError> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(value.get()).map_err(|_| bad("filter must be an object".to_owned()))?;
    let mut filter = TaskFilter::default();
    for (name, value) in members {
        let text = match (name.as_str(), serde_json::from_str(value.get())) {
            (_, Ok(Value::Text(text))) => text,
            ("state", Ok(Value::Texts(states))) => states.join(","),
            ("contract", Ok(Value::Number(number))) => number.to_string(),
            // Which type it should be is said of names that are known.
            _ if task_filter::set(&mut filter, &name, "").is_ok_and(|known| !known) => {
                return Err(unknown(&format!("filter.{name}")));
            }
            ("state", _) => return Err(bad("filter.state must be a text or a list of texts".to_owned())),
            ("contract", _) => return Err(bad("filter.contract must be a number".to_owned())),
            _ => return Err(bad(format!("filter.{name} must be a text"))),
        };
        match task_filter::set(&mut filter, &name, &text) {
            Ok(true) => {}
            Ok(false) => return Err(unknown(&format!("filter.{name}"))),
            Err(message) => return Err(bad(format!("filter.{message}"))),
        }
    }
    Ok(filter)
}

fn unknown(name: &str) -> ApiError {
    ApiError::new(ErrorCode::UnknownField, format!("{name} is not known"))
}

fn bad(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidFilter, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::TaskState;

    fn filter(text: &str) -> TaskFilter {
        parse(format!(r#"{{"action":"retry","filter":{text}}}"#).as_bytes()).unwrap().filter
    }

    #[test]
    fn filters_are_those_of_the_list() {
        let all = filter(
            r#"{"state":["failed","cancelled"],"group":"g","function":"f","contract":1.5,"worker":"http://w/",
                "tenant":"t","since":"2026-01-01T00:00:00Z","until":"2026-01-01T01:00:00+01:00","q":"no luck"}"#,
        );
        assert_eq!(all.states, [TaskState::Failed, TaskState::Cancelled]);
        assert_eq!((all.contract, all.worker.as_deref()), ("1.5".parse().ok(), Some("http://w")));
        assert_eq!((all.since, all.text.as_deref()), (all.until, Some("no luck")));
        assert_eq!(filter(r#"{"state":"failed","contract":"1.0"}"#).contract, "1".parse().ok());
        assert!(filter("{}").states.is_empty());
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        for (body, code, name) in [
            ("[]", ErrorCode::InvalidJson, "object"),
            (r#"{"filter":{}}"#, ErrorCode::MissingField, "action"),
            (r#"{"action":"retry"}"#, ErrorCode::MissingField, "filter"),
            (r#"{"action":"retry","filter":{},"dryrun":true}"#, ErrorCode::UnknownField, "dryrun"),
            (r#"{"action":"retry","filter":{"limit":1}}"#, ErrorCode::UnknownField, "filter.limit"),
            (r#"{"action":"retry","filter":{"cursor":"x"}}"#, ErrorCode::UnknownField, "filter.cursor"),
            (r#"{"action":"pause","filter":{}}"#, ErrorCode::InvalidAction, "action"),
            (r#"{"action":1,"filter":{}}"#, ErrorCode::InvalidAction, "action"),
            (r#"{"action":"retry","filter":{},"dryRun":1}"#, ErrorCode::InvalidAction, "dryRun"),
            (r#"{"action":"retry","filter":null}"#, ErrorCode::InvalidFilter, "filter"),
            (r#"{"action":"retry","filter":{"state":"done"}}"#, ErrorCode::InvalidFilter, "filter.state"),
            (r#"{"action":"retry","filter":{"state":[]}}"#, ErrorCode::InvalidFilter, "filter.state"),
            (r#"{"action":"retry","filter":{"state":7}}"#, ErrorCode::InvalidFilter, "filter.state"),
            (r#"{"action":"retry","filter":{"contract":"one"}}"#, ErrorCode::InvalidFilter, "filter.contract"),
            (r#"{"action":"retry","filter":{"contract":null}}"#, ErrorCode::InvalidFilter, "filter.contract"),
            (r#"{"action":"retry","filter":{"group":null}}"#, ErrorCode::InvalidFilter, "filter.group"),
            (r#"{"action":"retry","filter":{"since":5}}"#, ErrorCode::InvalidFilter, "filter.since"),
            (r#"{"action":"retry","filter":{"since":"5"}}"#, ErrorCode::InvalidFilter, "filter.since"),
        ] {
            let (error, found, _) = parse(body.as_bytes()).unwrap_err().into_parts();
            assert_eq!(found, code, "{body}");
            assert!(error.split(' ').any(|word| word == name), "{body}: {error}");
        }
    }
}
