//! `GET /metrics`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::{ApiError, ApiState};
use crate::telemetry::{self, LaneCounts, SlotCounts, Snapshot, WorkerCounts};

/// What is counted and how things stand, in Prometheus' text form.
pub(super) async fn show(State(state): State<ApiState>) -> Result<Response, ApiError> {
    let lanes = state.dispatcher.queue().counts().await?;
    let lanes = lanes.into_iter().map(|lane| LaneCounts {
        queued: lane.counts.queued + lane.counts.delayed,
        running: lane.counts.running,
        lane: lane.lane,
    });
    let slots = state.dispatcher.slot_totals();
    let snapshot = Snapshot {
        workers: state
            .fleet
            .status_counts()
            .into_iter()
            .map(|(status, count)| WorkerCounts { status, count })
            .collect(),
        slots: SlotCounts { limit: slots.limit, used: slots.used, free: slots.free },
        lanes: lanes.collect(),
    };
    Ok(([(CONTENT_TYPE, telemetry::CONTENT_TYPE)], state.metrics.render(&snapshot)).into_response())
}
