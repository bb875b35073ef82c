//! The HTTP interface for programs: one file per resource, one error type.
//!
//! The key is checked before anything else of a protected request is looked at. An error is always
//! `{error, code, taskId?}`: a sentence, a stable word, and the task if there is one.

mod actions;
mod auth;
mod batch;
mod body;
mod compression;
mod error;
mod events;
mod health;
mod idempotency;
mod lanes;
mod logs;
mod metrics;
mod openapi;
mod path;
mod policies;
mod policies_json;
mod query;
mod reply;
mod task;
mod task_filter;
mod task_json;
mod task_list;
mod tasks;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::{Method, Uri};

pub use auth::{LbKey, require_key};
pub use compression::layer as compression;
pub use error::ApiError;
pub use path::normalize_path;
pub use task::post_task;
pub(crate) use task::worker_key;
pub(crate) use task_json::ResultJson;
pub use task_json::TaskJson;
pub use task_list::filter as task_filter_of;

use crate::dispatch::Dispatcher;
use crate::policy::PolicyKeeper;
use crate::task::ErrorCode;
use crate::telemetry::{LogRing, Metrics};
use crate::workers::Fleet;

/// What the handlers work with.
#[derive(Clone)]
pub struct ApiState {
    /// Tasks.
    pub dispatcher: Arc<Dispatcher>,
    /// Workers.
    pub fleet: Arc<Fleet>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Policies.
    pub policies: PolicyKeeper,
    /// The last lines of the log.
    pub logs: LogRing,
    /// The key that opens the protected routes.
    pub key: LbKey,
    /// Bytes of a request body, after decoding.
    pub body_limit: usize,
}

/// The routes for programs.
pub fn router(state: ApiState) -> Router {
    let protected = resources().layer(axum::middleware::from_fn_with_state(state.key.clone(), require_key));
    Router::new().route("/health", get(health::show)).merge(protected).layer(compression::layer()).with_state(state)
}

/// What only those may use who have shown that they may; that is for whoever serves them to see to.
pub fn resources() -> Router<ApiState> {
    Router::new()
        .route("/task", post(task::submit))
        .route("/tasks", get(task_list::list).post(batch::submit))
        .route("/tasks/actions", post(actions::act))
        .route("/tasks/{id}", get(tasks::show).delete(tasks::cancel).patch(tasks::change))
        .route("/tasks/{id}/retry", post(tasks::retry))
        .route("/tasks/{id}/promote", post(tasks::promote))
        .route("/tasks/{id}/duplicate", post(tasks::duplicate))
        .route("/tasks/{id}/events", get(events::one))
        .route("/events", get(events::all))
        .route("/lanes", get(lanes::list))
        .route("/lanes/{group}/{contract}/pause", post(lanes::pause))
        .route("/lanes/{group}/{contract}/resume", post(lanes::resume))
        .route("/policies", get(policies::list))
        .route("/policies/{name}", put(policies::upload).delete(policies::remove))
        .route("/policies/{name}/activate", post(policies::activate).delete(policies::deactivate))
        .route("/policies/{name}/rollback", post(policies::roll_back))
        .route("/logs", get(logs::show))
        .route("/metrics", get(metrics::show))
        .route("/openapi.json", get(openapi::show))
}

/// The answer in place of one whose making broke down.
pub fn panicked() -> Response {
    tracing::error!("a request handler panicked");
    ApiError::new(ErrorCode::Internal, "Something went wrong").into_response()
}

/// The answer where no route is.
pub async fn not_found(uri: Uri) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("There is nothing at {}", uri.path()))
}

/// The answer where a route is, but not for that method.
pub async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed, format!("{method} is not possible at {}", uri.path()))
}
