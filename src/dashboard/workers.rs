//! `/dashboard/api/workers`: the workers, and what they log.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::json;

use super::DashboardState;
use crate::api::ApiError;
use crate::task::ErrorCode;
use crate::workers::Worker;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Every listed worker, in the order of the list.
pub(super) async fn list(State(state): State<DashboardState>) -> Json<Vec<Worker>> {
    Json(state.fleet.all_workers())
}

/// What a worker logs; the worker is named by its address in base64.
pub(super) async fn logs(
    State(state): State<DashboardState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let unknown = || ApiError::new(ErrorCode::NotFound, "There is no such worker");
    let Path(name) = name.map_err(|_| unknown())?;
    let url = STANDARD.decode(&name).or_else(|_| URL_SAFE.decode(&name)).ok();
    let url = url.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unknown)?;
    if state.fleet.find(&url).is_none() {
        return Err(unknown());
    }
    match state.fleet.worker_logs(&url).await {
        Ok(logs) => Ok(Json(json!({ "logs": logs })).into_response()),
        Err(error) => {
            tracing::info!(%url, %error, "cannot fetch the logs of a worker");
            Err(ApiError::new(ErrorCode::WorkerUnreachable, "The worker does not give its logs"))
        }
    }
}
