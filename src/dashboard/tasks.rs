//! The tasks: their pages, what was sent with one, and the list as a file.

mod export;
mod sent;

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use minijinja::context;
use serde_json::{Value, json};

pub(super) use export::export;
pub(super) use sent::show as show_sent;

use super::DashboardState;
use super::access::Visitor;
use super::pages::{Page, Pages};
use crate::api::ApiError;
use crate::task::{LaneKey, TaskId};

/// The list. The page fills itself from what its address says.
pub(super) async fn show_all(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    state.pages.page(Page::Tasks, "tasks.html", &visitor, context! { title => "Tasks" })
}

/// One task.
pub(super) async fn show_one(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let known = match id.parse::<TaskId>() {
        Ok(id) => state.live.view.dispatcher.queue().get(id).await?.is_some(),
        Err(_) => false,
    };
    if !known {
        let page = state.pages.page(Page::Tasks, "no_task.html", &visitor, context! { title => "No such task" })?;
        return Ok((StatusCode::NOT_FOUND, page).into_response());
    }
    let own = context! { title => &id, id => &id, island => Pages::island(&json!({ "id": id })) };
    state.pages.page(Page::Tasks, "task.html", &visitor, own)
}

/// The form for a new task.
pub(super) async fn show_new(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let island = json!({ "lanes": offers(&state) });
    let own = context! { title => "New task", island => Pages::island(&island) };
    state.pages.page(Page::Tasks, "new_task.html", &visitor, own)
}

/// The lanes that workers serve, and the functions there.
fn offers(state: &DashboardState) -> Vec<Value> {
    let mut lanes = BTreeMap::new();
    for worker in state.live.view.fleet.all_workers() {
        let (Some(group), Some(contract), Some(functions)) = (worker.group, worker.contract, worker.functions) else {
            continue;
        };
        if worker.contract_valid != Some(false) {
            lanes.entry(LaneKey::new(group, contract)).or_insert(functions);
        }
    }
    let lane = |(lane, functions): (LaneKey, _)| json!({ "group": lane.group, "contract": lane.contract, "functions": functions });
    lanes.into_iter().map(lane).collect()
}
