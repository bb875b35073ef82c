//! `/lanes`: how they stand, pausing and resuming them.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;

use super::{ApiError, ApiState};
use crate::dispatch::LaneView;
use crate::queue::StateCounts;
use crate::task::{Contract, ErrorCode, LaneKey};

/// As in `POST /task`.
const MAX_GROUP_BYTES: usize = 256;

/// Group and contract in the path.
type GivenLane = Result<Path<(String, String)>, PathRejection>;

/// A lane as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LaneJson {
    group: String,
    contract: Contract,
    paused: bool,
    counts: CountsJson,
    workers: usize,
    free_slots: u64,
}

#[derive(Debug, Serialize)]
struct CountsJson {
    queued: u64,
    delayed: u64,
    running: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
}

/// Every lane that has tasks or workers or is paused, by group and contract.
pub(super) async fn list(State(state): State<ApiState>) -> Result<Json<Vec<LaneJson>>, ApiError> {
    Ok(Json(state.dispatcher.lanes().await?.iter().map(LaneJson::from).collect()))
}

/// Stops claims from a lane.
pub(super) async fn pause(State(state): State<ApiState>, lane: GivenLane) -> Result<Json<LaneJson>, ApiError> {
    set_paused(&state, lane, true).await
}

/// Restarts claims from a lane.
pub(super) async fn resume(State(state): State<ApiState>, lane: GivenLane) -> Result<Json<LaneJson>, ApiError> {
    set_paused(&state, lane, false).await
}

async fn set_paused(state: &ApiState, lane: GivenLane, paused: bool) -> Result<Json<LaneJson>, ApiError> {
    let lane = lane_key(lane)?;
    Ok(Json(LaneJson::from(&state.dispatcher.set_paused(&lane, paused).await?)))
}

fn lane_key(lane: GivenLane) -> Result<LaneKey, ApiError> {
    let bad_group =
        || ApiError::new(ErrorCode::InvalidGroup, format!("group must be a text of at most {MAX_GROUP_BYTES} bytes"));
    let Path((group, contract)) = lane.map_err(|_| bad_group())?;
    if group.len() > MAX_GROUP_BYTES {
        return Err(bad_group());
    }
    let contract: Contract =
        contract.parse().map_err(|_| ApiError::new(ErrorCode::InvalidContract, "contract must be a number"))?;
    Ok(LaneKey::new(group, contract))
}

impl From<&LaneView> for LaneJson {
    fn from(view: &LaneView) -> Self {
        let StateCounts { queued, delayed, running, completed, failed, cancelled } = view.counts;
        Self {
            group: view.lane.group.to_string(),
            contract: view.lane.contract,
            paused: view.paused,
            counts: CountsJson { queued, delayed, running, completed, failed, cancelled },
            workers: view.workers,
            free_slots: view.free_slots,
        }
    }
}
