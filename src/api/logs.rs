//! `GET /logs`.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::ApiState;

/// The last lines of the log, oldest first.
pub(super) async fn show(State(state): State<ApiState>) -> Json<Value> {
    Json(json!({ "logs": state.logs.lines() }))
}
