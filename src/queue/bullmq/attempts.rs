//! The runs of a task, as the field `anderaAttempts` of its job has them: a line of JSON each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::task::{Attempt, AttemptOutcome, Choice, Timestamp};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    n: u32,
    worker: Arc<str>,
    started_at: i64,
    ended_at: Option<i64>,
    outcome: Option<AttemptOutcome>,
    status: Option<u16>,
    why: Arc<Choice>,
}

/// A run as it is stored.
pub(super) fn write(attempt: Option<&Attempt>) -> String {
    let Some(attempt) = attempt else { return String::new() };
    let row = Row {
        n: attempt.n,
        worker: Arc::clone(&attempt.worker),
        started_at: attempt.started_at.as_millis(),
        ended_at: attempt.ended_at.map(Timestamp::as_millis),
        outcome: attempt.outcome,
        status: attempt.status,
        why: attempt.why.clone(),
    };
    // Nothing in it can fail.
    serde_json::to_string(&row).unwrap_or_default()
}

/// The runs out of the field; what cannot be read is left out.
pub(super) fn read(field: &[u8]) -> Vec<Attempt> {
    let lines = field.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let rows = lines.filter_map(|line| serde_json::from_slice::<Row>(line).ok());
    rows.map(|row| Attempt {
        n: row.n,
        worker: row.worker,
        started_at: Timestamp::from_millis(row.started_at),
        ended_at: row.ended_at.map(Timestamp::from_millis),
        outcome: row.outcome,
        status: row.status,
        why: row.why,
    })
    .collect()
}
