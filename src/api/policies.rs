//! `/policies`: which are in force and how they are doing, uploading, activating, going back.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::policies_json::{FileJson, PoliciesJson};
use super::{ApiError, ApiState, body};
use crate::policy::{ControlError, FILE_LIMIT};
use crate::task::ErrorCode;

type GivenName = Result<Path<String>, PathRejection>;

/// A policy in force where no rule chooses one.
#[derive(Debug, Serialize)]
pub(super) struct DefaultJson {
    default: String,
}

/// The policies in force, those there are, and what became of them lately.
pub(super) async fn list(State(state): State<ApiState>) -> Json<PoliciesJson> {
    Json(PoliciesJson::of(&state))
}

/// Keeps a policy. Where it is in force already, this version takes over.
pub(super) async fn upload(
    State(state): State<ApiState>,
    name: GivenName,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FileJson>, ApiError> {
    let name = given(name)?;
    let file = body::read(&headers, body, FILE_LIMIT).await?;
    Ok(Json(FileJson::of(&state.policies.upload(name, file).await?)))
}

/// Forgets a policy that was uploaded.
pub(super) async fn remove(State(state): State<ApiState>, name: GivenName) -> Result<StatusCode, ApiError> {
    state.policies.remove(given(name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a policy in force where no rule chooses one.
pub(super) async fn activate(State(state): State<ApiState>, name: GivenName) -> Result<Json<DefaultJson>, ApiError> {
    state.policies.activate(given(name)?).await?;
    Ok(Json(default_of(&state)))
}

/// Leaves the choice to rules and settings again.
pub(super) async fn deactivate(State(state): State<ApiState>, name: GivenName) -> Result<Json<DefaultJson>, ApiError> {
    state.policies.deactivate(given(name)?).await?;
    Ok(Json(default_of(&state)))
}

/// Goes back to the version that was in use before the present one.
pub(super) async fn roll_back(State(state): State<ApiState>, name: GivenName) -> Result<Json<FileJson>, ApiError> {
    Ok(Json(FileJson::of(&state.policies.roll_back(given(name)?).await?)))
}

fn given(name: GivenName) -> Result<String, ApiError> {
    // What is no text is no name.
    name.map(|Path(name)| name).map_err(|_| ControlError::Name(String::new()).into())
}

fn default_of(state: &ApiState) -> DefaultJson {
    DefaultJson { default: state.policies.engine().active_choice().to_string() }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let code = match &error {
            ControlError::Name(_) => ErrorCode::InvalidPolicyName,
            ControlError::Unknown(_) => ErrorCode::PolicyNotFound,
            ControlError::Refused(_) => ErrorCode::PolicyRefused,
            ControlError::NoEarlierVersion(_) => ErrorCode::NoEarlierVersion,
            ControlError::NotActivated(_) => ErrorCode::PolicyNotActivated,
            ControlError::Closing => ErrorCode::ShuttingDown,
            ControlError::Storage(error) => {
                tracing::error!(%error, "a policy cannot be kept");
                return Self::new(ErrorCode::Internal, "The policy cannot be kept; the log says why");
            }
        };
        Self::new(code, error.to_string())
    }
}
