//! The pages of the workers.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use minijinja::context;
use serde_json::json;

use super::{Rows, WorkerRow, listed};
use crate::api::ApiError;
use crate::dashboard::DashboardState;
use crate::dashboard::access::Visitor;
use crate::dashboard::pages::{Page, Pages};
use crate::workers::Worker;

/// All workers. The page fills itself from the live stream, so that it begins as fast for thousands as for one.
pub(in crate::dashboard) async fn show_all(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let workers = state.live.view.fleet.worker_count();
    let own = context! { workers, workers_file => &*state.workers_file, title => "Workers" };
    state.pages.page(Page::Workers, "workers.html", &visitor, own)
}

/// One worker.
pub(in crate::dashboard) async fn show_one(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let fleet = &state.live.view.fleet;
    let found = listed(fleet, &name).ok().and_then(|(id, _)| fleet.worker(id));
    let Some(worker) = found else {
        let own = context! { title => "No such worker", workers_file => &*state.workers_file };
        let page = state.pages.page(Page::Workers, "no_worker.html", &visitor, own)?;
        return Ok((StatusCode::NOT_FOUND, page).into_response());
    };
    let now = state.live.view.dispatcher.clock().now();
    let row = row_of(&state, &worker, now);
    let island = json!({ "name": name, "worker": row, "functions": worker.functions });
    let own = context! { title => worker.url.to_string(), name, island => Pages::island(&island) };
    state.pages.page(Page::Workers, "worker.html", &visitor, own)
}

fn row_of(state: &DashboardState, worker: &Worker, now: crate::task::Timestamp) -> Option<WorkerRow> {
    let fleet = &state.live.view.fleet;
    let figures: HashMap<_, _> = fleet.figures().into_iter().filter(|(id, _)| *id == worker.id).collect();
    let mut rows = Rows::default();
    // Its lane is needed to say in what it differs.
    let same_lane =
        |other: &Worker| other.id == worker.id || other.group == worker.group && other.contract == worker.contract;
    let workers: Vec<Worker> = match worker.contract_valid {
        Some(false) => fleet.all_workers().into_iter().filter(same_lane).collect(),
        _ => vec![worker.clone()],
    };
    rows.of(&workers, &figures, now).into_iter().find(|(id, _)| *id == worker.id).map(|(_, row)| row)
}
