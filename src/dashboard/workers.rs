//! The workers: their pages, `/dashboard/api/workers`, and what they log.

mod diff;
mod page;
mod row;
mod rows;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::json;

pub(super) use page::{show_all, show_one};
pub(super) use row::{Tone, WorkerRow};
pub(super) use rows::Rows;

use super::DashboardState;
use crate::api::ApiError;
use crate::task::ErrorCode;
use crate::workers::{Fleet, Worker, WorkerId};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Every listed worker, in the order of the list.
pub(super) async fn list(State(state): State<DashboardState>) -> Json<Vec<Worker>> {
    Json(state.live.view.fleet.all_workers())
}

/// What a worker logs; the worker is named by its address in base64.
pub(super) async fn logs(
    State(state): State<DashboardState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|_| unknown())?;
    let fleet = &state.live.view.fleet;
    let (_, url) = listed(fleet, &name)?;
    match fleet.worker_logs(&url).await {
        Ok(logs) => Ok(Json(json!({ "logs": logs })).into_response()),
        Err(error) => {
            tracing::info!(%url, %error, "cannot fetch the logs of a worker");
            Err(ApiError::new(ErrorCode::WorkerUnreachable, "The worker does not give its logs"))
        }
    }
}

/// The listed worker whose address that is in base64.
pub(super) fn listed(fleet: &Fleet, name: &str) -> Result<(WorkerId, String), ApiError> {
    let url = STANDARD.decode(name).or_else(|_| URL_SAFE.decode(name)).ok();
    let url = url.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unknown)?;
    let id = fleet.find(&url).ok_or_else(unknown)?;
    Ok((id, url))
}

/// The name of a worker in addresses of pages.
pub(super) fn name_of(url: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(url)
}

fn unknown() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is no such worker")
}
