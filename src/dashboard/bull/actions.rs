//! What may be done to queues and jobs.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::error::BoardError;
use super::job::{GivenJob, find};
use super::queues::{filter, lane_of};
use super::status::Status;
use crate::dashboard::DashboardState;
use crate::dispatch::{BulkAction, CancelOutcome, Dispatcher};
use crate::queue::TaskFilter;
use crate::task::{ErrorCode, LaneKey, TaskId, TaskState};

/// Tasks looked at in one step.
const AT_ONCE: usize = 100;

type Done = Result<Json<Value>, BoardError>;

pub(super) async fn pause(State(state): State<DashboardState>, Path(queue): Path<String>) -> Done {
    set_paused(&state, &queue, true).await
}

pub(super) async fn resume(State(state): State<DashboardState>, Path(queue): Path<String>) -> Done {
    set_paused(&state, &queue, false).await
}

async fn set_paused(state: &DashboardState, queue: &str, paused: bool) -> Done {
    let lane = lane_of(state, queue).await?.lane;
    state.live.view.dispatcher.set_paused(&lane, paused).await?;
    Ok(Json(json!({})))
}

pub(super) async fn pause_all(State(state): State<DashboardState>) -> Done {
    set_all_paused(&state, true).await
}

pub(super) async fn resume_all(State(state): State<DashboardState>) -> Done {
    set_all_paused(&state, false).await
}

async fn set_all_paused(state: &DashboardState, paused: bool) -> Done {
    let dispatcher = &state.live.view.dispatcher;
    for lane in dispatcher.lanes().await? {
        if lane.paused != paused {
            dispatcher.set_paused(&lane.lane, paused).await?;
        }
    }
    Ok(Json(json!({})))
}

/// Cancels what is queued. What is delayed stays, as in `BullMQ`.
pub(super) async fn empty(State(state): State<DashboardState>, Path(queue): Path<String>) -> Done {
    let lane = lane_of(&state, &queue).await?.lane;
    let (cancelled, skipped) = all(&state, BulkAction::Cancel, filter(&lane, Status::Waiting)).await?;
    Ok(Json(json!({ "cancelled": cancelled, "skipped": skipped })))
}

/// Runs those that have ended again.
pub(super) async fn retry_all(
    State(state): State<DashboardState>,
    Path((queue, status)): Path<(String, String)>,
) -> Done {
    let lane = lane_of(&state, &queue).await?.lane;
    let status = Status::from_word(&status).filter(|status| matches!(status, Status::Failed | Status::Completed));
    let status = status.ok_or_else(|| BoardError::bad("Only failed and completed jobs can be retried"))?;
    let (retried, skipped) = all(&state, BulkAction::Retry, filter(&lane, status)).await?;
    Ok(Json(json!({ "retried": retried, "skipped": skipped })))
}

/// Makes all delayed ones claimable now.
pub(super) async fn promote_all(State(state): State<DashboardState>, Path(queue): Path<String>) -> Done {
    let lane = lane_of(&state, &queue).await?.lane;
    let dispatcher = &state.live.view.dispatcher;
    let each = each(dispatcher, &lane, Status::Delayed, OneByOne::Promote).await?;
    Ok(Json(json!({ "promoted": each.0, "skipped": each.1 })))
}

/// Forgets those that have ended; those that wait are cancelled and forgotten.
pub(super) async fn clean_all(
    State(state): State<DashboardState>,
    Path((queue, status)): Path<(String, String)>,
) -> Done {
    let lane = lane_of(&state, &queue).await?.lane;
    let (cleaned, skipped) = match Status::from_word(&status) {
        Some(status @ (Status::Completed | Status::Failed)) => {
            all(&state, BulkAction::Remove, filter(&lane, status)).await?
        }
        Some(status @ (Status::Waiting | Status::Prioritized | Status::Delayed)) => {
            let dispatcher = &state.live.view.dispatcher;
            each(dispatcher, &lane, status, OneByOne::Remove).await?
        }
        Some(Status::Active) => return Err(BoardError::active()),
        _ => return Err(BoardError::bad("There are no jobs of that status to clean")),
    };
    Ok(Json(json!({ "cleaned": cleaned, "skipped": skipped })))
}

/// An action on all that match: how many it was done to, and how many not.
async fn all(state: &DashboardState, action: BulkAction, filter: TaskFilter) -> Result<(u64, u64), BoardError> {
    let report = state.live.view.dispatcher.act_on_all(action, filter, false).await;
    match report.stopped {
        Some(refusal) if report.done == 0 => Err(refusal.into()),
        _ => Ok((report.done, report.matched.saturating_sub(report.done))),
    }
}

/// What is done to jobs one by one.
#[derive(Clone, Copy)]
enum OneByOne {
    Promote,
    Remove,
}

/// The same, one by one; those that stand otherwise by now are skipped.
async fn each(
    dispatcher: &Arc<Dispatcher>,
    lane: &LaneKey,
    status: Status,
    action: OneByOne,
) -> Result<(u64, u64), BoardError> {
    let (mut done, mut skipped) = (0, 0);
    let mut filter = TaskFilter { limit: AT_ONCE, ..filter(lane, status) };
    loop {
        let page = dispatcher.queue().list(&filter).await?;
        let holding = page.tasks.iter().filter(|record| status.holds(record));
        let ids: Vec<TaskId> = holding.map(|record| record.spec.id).collect();
        for id in ids {
            let outcome = match action {
                OneByOne::Promote => dispatcher.promote(id).await,
                OneByOne::Remove => dispatcher.remove(id).await,
            };
            match outcome {
                Ok(()) => done += 1,
                Err(refusal) if is_otherwise(refusal.code) => skipped += 1,
                Err(refusal) => return Err(refusal.into()),
            }
        }
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return Ok((done, skipped)),
        }
    }
}

/// Whether only that one task stands otherwise.
fn is_otherwise(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::TaskNotFound | ErrorCode::TaskNotEnded | ErrorCode::TaskNotDelayed)
}

pub(super) async fn retry(State(state): State<DashboardState>, Path((queue, job)): GivenJob) -> Done {
    let id = find(&state, &queue, &job).await?.record.spec.id;
    state.live.view.dispatcher.retry(id).await?;
    Ok(Json(json!({})))
}

/// As older bull-boards ask: with the status the job had on the page.
pub(super) async fn retry_of(
    state: State<DashboardState>,
    Path((queue, job, _)): Path<(String, String, String)>,
) -> Done {
    retry(state, Path((queue, job))).await
}

pub(super) async fn promote(State(state): State<DashboardState>, Path((queue, job)): GivenJob) -> Done {
    let id = find(&state, &queue, &job).await?.record.spec.id;
    state.live.view.dispatcher.promote(id).await?;
    Ok(Json(json!({})))
}

/// Forgets a job; one that waits is cancelled first.
pub(super) async fn clean(
    State(state): State<DashboardState>,
    Path((queue, job)): GivenJob,
) -> Result<StatusCode, BoardError> {
    let record = find(&state, &queue, &job).await?.record;
    if record.state == TaskState::Running {
        return Err(BoardError::active());
    }
    match state.live.view.dispatcher.remove(record.spec.id).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        // It has begun to run.
        Err(refusal) if refusal.code == ErrorCode::TaskNotEnded => Err(BoardError::active()),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Cancels a job, an active one too; ours.
pub(super) async fn cancel(State(state): State<DashboardState>, Path((queue, job)): GivenJob) -> Done {
    let id = find(&state, &queue, &job).await?.record.spec.id;
    match state.live.view.dispatcher.cancel(id).await? {
        CancelOutcome::Done | CancelOutcome::Stopping => Ok(Json(json!({}))),
        CancelOutcome::Ended => Err(BoardError::new(StatusCode::CONFLICT, "JOB_HAS_ENDED", "The job has ended")),
        CancelOutcome::Unknown => Err(BoardError::no_job(&job)),
    }
}
