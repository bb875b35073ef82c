//! `GET /health`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde_json::json;

use super::ApiState;
use super::policies_json::in_force;

/// How long the queue's store may take to answer.
const PING_LIMIT: Duration = Duration::from_millis(900);

/// Says whether the balancer can work; with the key also which workers there are.
pub(super) async fn show(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    let ping = tokio::time::timeout(PING_LIMIT, state.dispatcher.queue().ping()).await;
    let status = if matches!(ping, Ok(Ok(()))) { "ready" } else { "unreachable" };
    if !state.key.opens(&headers) {
        return Json(json!({ "status": status })).into_response();
    }
    // The original's names stand for the queue's store, whatever it is.
    let services = json!({ "redis": status, "bullmq": status });
    Json(json!({
        "status": status,
        "workers": state.fleet.workers(),
        "invalidWorkers": state.fleet.invalid_workers(),
        "services": services,
        "policies": in_force(&state, &state.policies.catalogue()),
    }))
    .into_response()
}
