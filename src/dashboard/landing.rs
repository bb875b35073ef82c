//! `GET /`: what this is, and where to go from here.

use axum::extract::State;
use axum::response::Html;

use super::DashboardState;
use crate::api::ApiError;

/// The landing page. It says nothing that is not public.
pub(super) async fn show(State(state): State<DashboardState>) -> Result<Html<String>, ApiError> {
    state.pages.render("landing.html", state.pages.basics())
}
