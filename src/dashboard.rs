//! Pages for people, and what they ask for.

mod assets;
mod landing;
mod pages;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub use pages::{Pages, TemplateError};

use crate::api::{LbKey, require_key};
use crate::workers::Fleet;

/// What the pages are made from.
#[derive(Clone)]
pub struct DashboardState {
    /// The templates.
    pub pages: Arc<Pages>,
    /// The workers.
    pub fleet: Arc<Fleet>,
    /// The key that opens the protected routes.
    pub key: LbKey,
}

/// The routes for people. `workers` switches those below `/dashboard` on.
pub fn router(state: DashboardState, workers: bool) -> Router {
    let mut router = Router::new().route("/", get(landing::show)).route("/favicon.svg", get(assets::favicon));
    if workers {
        let protected = Router::new()
            .route("/dashboard/api/workers", get(workers::list))
            .route("/dashboard/api/workers/{url}/logs", get(workers::logs))
            .layer(axum::middleware::from_fn_with_state(state.key.clone(), require_key));
        router = router.merge(protected);
    }
    router.with_state(state)
}
