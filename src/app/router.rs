//! All routes together.

use axum::Router;
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::{self, ApiState};
use crate::config::Settings;
use crate::dashboard::{self, DashboardState};

/// All routes together, with the answers for what is not there.
pub(super) fn router(api: ApiState, dashboard: DashboardState, settings: &Settings) -> Router {
    api::router(api.clone())
        .merge(dashboard::router(dashboard, api, &settings.dashboard))
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(CatchPanicLayer::custom(|_panic: Box<dyn std::any::Any + Send>| api::panicked()))
}
