//! The filters for tasks, as queries and bodies name them.

use crate::queue::TaskFilter;
use crate::task::{TaskState, Timestamp};

/// Sets the filter of that name. `false` if there is none; the error is a sentence that begins with the name.
pub(super) fn set(filter: &mut TaskFilter, name: &str, text: &str) -> Result<bool, String> {
    match name {
        "state" => filter.states = text.split(',').map(state).collect::<Result<_, _>>()?,
        "group" => filter.group = Some(text.into()),
        "function" => filter.function = Some(text.into()),
        "contract" => filter.contract = Some(text.parse().map_err(|_| "contract must be a number".to_owned())?),
        // As in the workers file, where a slash at the end means nothing.
        "worker" => filter.worker = Some(text.trim_end_matches('/').into()),
        "tenant" => filter.tenant = Some(text.into()),
        "since" => filter.since = Some(time(name, text)?),
        "until" => filter.until = Some(time(name, text)?),
        "q" => filter.text = Some(text.into()),
        _ => return Ok(false),
    }
    Ok(true)
}

fn state(word: &str) -> Result<TaskState, String> {
    TaskState::ALL.into_iter().find(|state| state.word() == word).ok_or_else(|| {
        let words = TaskState::ALL.map(TaskState::word).join(", ");
        format!("state must be one or several, separated by commas, of {words}")
    })
}

fn time(name: &str, text: &str) -> Result<Timestamp, String> {
    Timestamp::from_rfc3339(text).ok_or_else(|| format!("{name} must be an RFC 3339 time"))
}
