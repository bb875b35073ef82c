//! `/bull`: every lane as a queue of `BullMQ`, on every backend. Nothing here knows which one it is.
//!
//! The routes below `/bull/api` have the shapes of bull-board's, so that tools written for it go on working. What it has and a lane has
//! not (schedulers, flows, a concurrency of its own) is answered as empty, or refused with a word.
//!
//! | file | what it does |
//! |---|---|
//! | `status` | the states of tasks as bull-board names them |
//! | `queues`, `job` | lanes and tasks as it shows them |
//! | `actions`, `add` | what may be done to them |
//! | `history` | what ended by the minute, the hour and the day |
//! | `error` | how it says no |

mod actions;
mod add;
mod error;
mod history;
mod job;
mod queues;
mod status;

use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use minijinja::context;
use serde_json::{Value, json};

use self::error::BoardError;
use super::DashboardState;
use super::access::{Access, Visitor, is_from_page, require_for_page};
use super::pages::{Page, Pages};
use crate::api::ApiError;

/// The pages, and what they and other tools ask for.
pub(super) fn routes(access: &Access) -> Router<DashboardState> {
    let pages = Router::new()
        .route("/bull", get(show_all))
        .route("/bull/queue/{queue}", get(show_queue))
        .route("/bull/queue/{queue}/{job}", get(show_job))
        .route_layer(from_fn_with_state(access.clone(), require_for_page));
    let data = queues().merge(jobs()).fallback(nothing).method_not_allowed_fallback(not_so);
    pages.nest("/bull/api", data.layer(from_fn_with_state(access.clone(), admit)))
}

fn queues() -> Router<DashboardState> {
    Router::new()
        .route("/redis/stats", get(no_redis))
        .route("/queues", get(queues::list))
        .route("/queues/pause", put(actions::pause_all))
        .route("/queues/resume", put(actions::resume_all))
        .route("/job-schedulers", get(no_schedulers))
        .route("/metrics/history", get(history::history))
        .route("/metrics/history/usage", get(history::usage))
        .route("/metrics/history/purge", post(history::purge))
        .route("/metrics/latency", get(history::latency))
        .route("/queues/{queue}/metrics", get(history::metrics))
        .route("/queues/{queue}/rate-limit", get(no_rate_limit).put(not_of_lanes))
        .route("/queues/{queue}/workers", get(queues::workers))
        .route("/queues/{queue}/default-job-options", get(nothing_set))
        .route("/queues/{queue}/job-data-schema", get(nothing_set))
        .route("/queues/{queue}/add", post(add::add))
        .route("/queues/{queue}/pause", put(actions::pause))
        .route("/queues/{queue}/resume", put(actions::resume))
        .route("/queues/{queue}/empty", put(actions::empty))
        .route("/queues/{queue}/promote", put(actions::promote_all))
        .route("/queues/{queue}/retry/{status}", put(actions::retry_all))
        .route("/queues/{queue}/clean/{status}", put(actions::clean_all))
        .route("/queues/{queue}/concurrency", put(not_of_lanes))
        .route("/queues/{queue}/obliterate", put(not_of_lanes))
}

fn jobs() -> Router<DashboardState> {
    Router::new()
        .route("/queues/{queue}/{job}", get(job::show))
        .route("/queues/{queue}/{job}/logs", get(job::logs))
        .route("/queues/{queue}/{job}/flow", get(job::flow))
        .route("/queues/{queue}/{job}/retry", put(actions::retry))
        .route("/queues/{queue}/{job}/retry/{status}", put(actions::retry_of))
        .route("/queues/{queue}/{job}/promote", put(actions::promote))
        .route("/queues/{queue}/{job}/clean", put(actions::clean))
        .route("/queues/{queue}/{job}/cancel", put(actions::cancel))
        .route("/queues/{queue}/{job}/update-data", axum::routing::patch(not_of_lanes))
}

/// Lets nobody in without key or session, and nobody act who may not; said as bull-board says it.
async fn admit(State(access): State<Access>, mut request: Request, next: Next) -> Result<Response, BoardError> {
    let visitor = access.visitor(request.headers());
    let visitor =
        visitor.ok_or_else(|| BoardError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Log in, or send the key"))?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        if !visitor.may_act() {
            let message = "This session may look but not act";
            return Err(BoardError::new(StatusCode::METHOD_NOT_ALLOWED, "READ_ONLY", message));
        }
        is_from_page(&visitor, request.headers())?;
    }
    request.extensions_mut().insert(visitor);
    Ok(next.run(request).await)
}

async fn show_all(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    page(&state, &visitor, "Queues", "bull.js", &json!({}))
}

async fn show_queue(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
    Path(queue): Path<String>,
) -> Result<Response, ApiError> {
    page(&state, &visitor, &queue, "bull_queue.js", &json!({ "queue": queue }))
}

async fn show_job(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
    Path((queue, job)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    page(&state, &visitor, &job, "bull_job.js", &json!({ "queue": queue, "job": job }))
}

/// The pages differ in their scripts only.
fn page(
    state: &DashboardState,
    visitor: &Visitor,
    title: &str,
    script: &str,
    island: &Value,
) -> Result<Response, ApiError> {
    let own = context! { title, script, island => Pages::island(island) };
    state.pages.page(Page::Queues, "bull.html", visitor, own)
}

async fn no_schedulers() -> Json<Value> {
    Json(json!({ "schedulers": [] }))
}

async fn no_rate_limit() -> Json<Value> {
    Json(json!({ "supported": false, "rateLimit": null }))
}

async fn nothing_set() -> Json<Value> {
    Json(json!({}))
}

/// As bull-board answers where these facts are hidden: there may be no Redis, and where there is one it is nobody's business here.
async fn no_redis() -> BoardError {
    BoardError::new(StatusCode::FORBIDDEN, "REDIS_STATS_HIDDEN", "Facts about Redis are not shown")
}

async fn not_of_lanes() -> BoardError {
    BoardError::new(StatusCode::METHOD_NOT_ALLOWED, "NOT_SUPPORTED", "Lanes know no such thing")
}

async fn nothing() -> BoardError {
    BoardError::new(StatusCode::NOT_FOUND, "NOT_FOUND", "There is nothing of that name")
}

async fn not_so() -> BoardError {
    BoardError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Not with this method")
}
