//! `GET /`: what this is, and where to go from here.

use axum::extract::State;
use axum::response::Html;
use minijinja::{Value, context};

use super::DashboardState;
use crate::api::ApiError;

/// The landing page. It says nothing that is not public. Its styles stand within it, since it is there when no other page is.
pub(super) async fn show(State(state): State<DashboardState>) -> Result<Html<String>, ApiError> {
    let pages = &state.pages;
    let style = pages.assets().text("app.css").map(|style| Value::from_safe_string(style.to_owned()));
    let (dashboard, bull) = pages.served();
    pages.render("landing.html", context! { style, dashboard, bull, ..pages.basics() })
}
