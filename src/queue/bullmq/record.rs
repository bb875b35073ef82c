//! Tasks out of what is stored of them.

use std::sync::Arc;

use redis::Value;
use serde::Deserialize;

use super::answer::Answer;
use super::{attempts, end, fixed};
use crate::queue::{Claim, Lease, NewTask, QueueError, Sealer, Whereabouts};
use crate::task::{LaneKey, TaskId, TaskRecord, TaskSpec, TaskState, Timestamp};

/// What changes about a task, as far as it is of interest here; the scripts have the whole list.
#[derive(Deserialize)]
struct Life {
    x: i64,
    n: u32,
    e: u32,
    i: u32,
    /// It was run again on request.
    a: Option<u8>,
    /// How it was ended by a balancer.
    t: Option<String>,
}

/// A task that was claimed, or one that cannot be read.
pub(super) enum Claimed {
    Task(Box<Claim>),
    Unreadable(Lease),
}

/// What a claim took. `own` is the task that was added in the same call: it is not sent back.
pub(super) fn claim(
    value: Value,
    lane: &LaneKey,
    own: Option<&NewTask>,
    sealer: &Sealer,
) -> Result<Option<Claimed>, QueueError> {
    let Some(mut told) = Answer::list(value) else { return Ok(None) };
    let (task, token) = (told.id()?, told.some_number("token")?);
    let lease = Lease { task, lane: lane.clone(), token };
    let Some(function) = told.text() else {
        let Some(own) = own.filter(|own| own.spec.id == task) else { return Ok(Some(Claimed::Unreadable(lease))) };
        let (spec, priority) = (Arc::clone(&own.spec), own.priority);
        let client = Whereabouts::Here;
        let claim = Claim { lease, spec, priority, attempts: 0, earlier: 0, last_attempt: None, client };
        return Ok(Some(Claimed::Task(Box::new(claim))));
    };
    let Some((spec, life)) = spec(task, lane, function, &mut told, sealer) else {
        return Ok(Some(Claimed::Unreadable(lease)));
    };
    let attempts = told.bytes().map_or_else(Vec::new, |field| attempts::read(&field));
    let last_attempt = attempts.get(life.e as usize..).and_then(<[_]>::last).cloned();
    let priority = fixed::priority(told.number());
    let client = match told.text().as_deref() {
        Some("elsewhere") => Whereabouts::Elsewhere,
        Some("gone") => Whereabouts::Gone,
        _ => Whereabouts::Here,
    };
    let claim = Claim { lease, spec, priority, attempts: life.n, earlier: life.e, last_attempt, client };
    Ok(Some(Claimed::Task(Box::new(claim))))
}

/// The fixed part of a task, and its life: `data`, `andera` and `anderaLife` are next in the answer.
fn spec(
    id: TaskId,
    lane: &LaneKey,
    function: String,
    told: &mut Answer,
    sealer: &Sealer,
) -> Option<(Arc<TaskSpec>, Life)> {
    let (body, written, life) = (told.bytes()?, told.bytes()?, told.bytes()?);
    let life: Life = serde_json::from_slice(&life).ok()?;
    let spec = fixed::read(id, lane, function, body, &written, sealer)?;
    let spec = if life.a.is_some() { spec.again(Timestamp::from_millis(life.x)) } else { spec };
    Some((Arc::new(spec), life))
}

/// What is known of a task; `None` if it is not there, or cannot be read.
pub(super) fn record(id: TaskId, value: Value, sealer: &Sealer) -> Result<Option<TaskRecord>, QueueError> {
    let Some(mut told) = Answer::list(value) else { return Ok(None) };
    let (lane, state) = (told.lane()?, told.some_text("state")?);
    let Some(state) = TaskState::ALL.into_iter().find(|known| known.word() == state) else { return Ok(None) };
    let run_at = told.number().map(Timestamp::from_millis);
    let owes = told.number() == Some(1_u8);
    let function = told.text().unwrap_or_default();
    let Some((spec, life)) = spec(id, &lane, function, &mut told, sealer) else {
        tracing::error!(task = %id, "what is stored of a task cannot be read");
        return Ok(None);
    };
    let attempts = told.bytes().map_or_else(Vec::new, |field| attempts::read(&field));
    let priority = fixed::priority(told.number());
    let finished_at = told.number().map(Timestamp::from_millis);
    let (reason, result, about) = (told.text(), told.bytes(), told.bytes());
    let end = match about {
        _ if !state.is_ending() => end::End::default(),
        Some(about) if life.t.is_some() => end::read(&about, result),
        _ => end::foreign(state == TaskState::Completed, reason, result),
    };
    Ok(Some(TaskRecord {
        spec,
        state,
        priority,
        attempts,
        interruptions: life.i,
        run_at,
        finished_at: finished_at.filter(|_| state.is_ending()),
        result: end.result,
        error: end.error,
        code: end.code,
        owes_notice: owes && state == TaskState::Failed,
    }))
}
