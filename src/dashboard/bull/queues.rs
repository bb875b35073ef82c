//! Lanes as queues.

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::BoardError;
use super::job::JobJson;
use super::status::Status;
use crate::dashboard::DashboardState;
use crate::dashboard::access::Visitor;
use crate::dispatch::{Dispatcher, LaneView, TaskView};
use crate::queue::{QueueError, TaskFilter};
use crate::task::{LaneKey, TaskState, lane_name};
use crate::workers::Worker;

const DEFAULT_PER_PAGE: usize = 10;
const MAX_PER_PAGE: usize = 300;
/// How far pages reach: beyond that a search is of more use.
const DEEPEST: usize = 10_000;
/// Tasks looked at in one step.
const AT_ONCE: usize = 300;
/// Queued tasks looked at to tell those with a priority from the others. Beyond that, all the others count as waiting.
const SORTED: usize = 500;

/// What is asked for. What cannot be read is as if it were not there, as in bull-board.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    active_queue: String,
    status: String,
    page: String,
    jobs_per_page: String,
    /// A text within the id or the error; ours.
    q: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the shape is bull-board's")]
struct QueueJson {
    name: String,
    display_name: String,
    description: String,
    delimiter: &'static str,
    counts: CountsJson,
    jobs: Vec<JobJson>,
    statuses: [&'static str; 8],
    pagination: PaginationJson,
    read_only_mode: bool,
    allow_retries: bool,
    allow_completed_retries: bool,
    is_paused: bool,
    #[serde(rename = "type")]
    kind: &'static str,
    global_concurrency: Option<u32>,
    active_rate_limit_ttl: u32,
    supports_global_rate_limit: bool,
    job_scheduler_count: u32,
    has_workers: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct CountsJson {
    active: u64,
    waiting: u64,
    waiting_children: u64,
    prioritized: u64,
    completed: u64,
    failed: u64,
    delayed: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PaginationJson {
    page_count: usize,
    range: RangeJson,
}

/// Places in the list, both counted in.
#[derive(Debug, Serialize)]
struct RangeJson {
    start: usize,
    end: usize,
}

/// A page of jobs.
struct Wanted {
    status: Status,
    page: usize,
    per_page: usize,
    text: String,
}

/// All queues; the active one with a page of its jobs, newest first.
pub(super) async fn list(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, BoardError> {
    let dispatcher = &state.live.view.dispatcher;
    let lanes = dispatcher.lanes().await?;
    let prioritized = prioritized(dispatcher, &lanes).await?;
    let wanted = Wanted::of(&asked);
    let mut queues = Vec::with_capacity(lanes.len());
    for lane in &lanes {
        let some = prioritized.get(&lane.lane).copied().unwrap_or(0).min(lane.counts.queued);
        let mut queue = QueueJson::of(lane, some, visitor.may_act(), wanted.per_page);
        if queue.name == asked.active_queue {
            queue.show(dispatcher, &lane.lane, &wanted).await?;
        }
        queues.push(queue);
    }
    Ok(Json(json!({ "queues": queues })))
}

/// How many of the tasks that were queued last have a priority.
async fn prioritized(dispatcher: &Dispatcher, lanes: &[LaneView]) -> Result<HashMap<LaneKey, u64>, QueueError> {
    let mut counts = HashMap::new();
    if lanes.iter().any(|lane| lane.counts.queued > 0) {
        let filter = TaskFilter { states: vec![TaskState::Queued], limit: SORTED, ..TaskFilter::default() };
        for record in dispatcher.queue().list(&filter).await?.tasks {
            if record.priority.is_some() {
                *counts.entry(record.spec.lane.clone()).or_default() += 1;
            }
        }
    }
    Ok(counts)
}

impl Wanted {
    fn of(asked: &Asked) -> Self {
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        let per_page = number(&asked.jobs_per_page).unwrap_or(DEFAULT_PER_PAGE).min(MAX_PER_PAGE);
        let page = number(&asked.page).unwrap_or(1).min(DEEPEST / per_page);
        let status = Status::from_word(&asked.status).unwrap_or(Status::Latest);
        Self { status, page, per_page, text: asked.q.trim().to_owned() }
    }
}

impl CountsJson {
    fn of(&self, status: Status) -> u64 {
        match status {
            Status::Active => self.active,
            Status::Waiting => self.waiting,
            Status::WaitingChildren => self.waiting_children,
            Status::Prioritized => self.prioritized,
            Status::Completed => self.completed,
            Status::Failed => self.failed,
            Status::Delayed => self.delayed,
            Status::Latest => {
                self.active + self.waiting + self.prioritized + self.completed + self.failed + self.delayed
            }
        }
    }
}

impl QueueJson {
    fn of(view: &LaneView, prioritized: u64, may_act: bool, per_page: usize) -> Self {
        let name = lane_name::of(&view.lane);
        let counts = &view.counts;
        Self {
            display_name: name.clone(),
            name,
            description: format!("group {}, contract {}", view.lane.group, view.lane.contract),
            delimiter: ".",
            counts: CountsJson {
                active: counts.running,
                waiting: counts.queued - prioritized,
                waiting_children: 0,
                prioritized,
                completed: counts.completed,
                failed: counts.failed + counts.cancelled,
                delayed: counts.delayed,
            },
            jobs: Vec::new(),
            statuses: Status::ALL.map(Status::word),
            pagination: PaginationJson { page_count: 0, range: RangeJson { start: 0, end: per_page - 1 } },
            read_only_mode: !may_act,
            allow_retries: true,
            allow_completed_retries: true,
            is_paused: view.paused,
            kind: "bullmq",
            global_concurrency: None,
            active_rate_limit_ttl: 0,
            supports_global_rate_limit: false,
            job_scheduler_count: 0,
            has_workers: view.workers > 0,
        }
    }

    async fn show(&mut self, dispatcher: &Dispatcher, lane: &LaneKey, wanted: &Wanted) -> Result<(), QueueError> {
        let start = (wanted.page - 1) * wanted.per_page;
        let (views, is_last) = tasks(dispatcher, lane, wanted, start).await?;
        let counted = usize::try_from(self.counts.of(wanted.status)).unwrap_or(DEEPEST).min(DEEPEST);
        // How many match a text nobody has counted: there is a next page, or there is not.
        let page_count = match (wanted.text.is_empty(), is_last) {
            (true, _) => counted.div_ceil(wanted.per_page),
            (false, true) => wanted.page,
            (false, false) => wanted.page + 1,
        };
        self.jobs = views.iter().map(JobJson::listed).collect();
        self.pagination = PaginationJson { page_count, range: RangeJson { start, end: start + wanted.per_page - 1 } };
        Ok(())
    }
}

/// A page of tasks, and whether it is the last.
async fn tasks(
    dispatcher: &Dispatcher,
    lane: &LaneKey,
    wanted: &Wanted,
    skip: usize,
) -> Result<(Vec<TaskView>, bool), QueueError> {
    let mut found = Vec::with_capacity(wanted.per_page);
    if wanted.status.states().is_empty() {
        return Ok((found, true));
    }
    let mut filter = TaskFilter { limit: AT_ONCE, ..filter(lane, wanted.status) };
    filter.text = (!wanted.text.is_empty()).then(|| wanted.text.as_str().into());
    let mut left_to_skip = skip;
    loop {
        let page = dispatcher.list(filter.clone()).await?;
        for view in page.tasks.into_iter().filter(|view| wanted.status.holds(&view.record)) {
            if left_to_skip > 0 {
                left_to_skip -= 1;
            } else if found.len() == wanted.per_page {
                return Ok((found, false));
            } else {
                found.push(view);
            }
        }
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return Ok((found, true)),
        }
    }
}

/// The tasks of a lane that may have that status; there must be a state that means it.
pub(super) fn filter(lane: &LaneKey, status: Status) -> TaskFilter {
    TaskFilter {
        states: status.states().to_vec(),
        group: Some(lane.group.clone()),
        contract: Some(lane.contract),
        ..TaskFilter::default()
    }
}

/// The lane of a queue's name, if there is one.
pub(super) async fn lane_of(state: &DashboardState, queue: &str) -> Result<LaneView, BoardError> {
    let key = lane_name::parse(queue).ok_or_else(|| BoardError::no_queue(queue))?;
    let lanes = state.live.view.dispatcher.lanes().await?;
    lanes.into_iter().find(|lane| lane.lane == key).ok_or_else(|| BoardError::no_queue(queue))
}

/// The workers of the lane.
pub(super) async fn workers(
    State(state): State<DashboardState>,
    Path(queue): Path<String>,
) -> Result<Json<Value>, BoardError> {
    let lane = lane_of(&state, &queue).await?.lane;
    let all = state.live.view.fleet.all_workers();
    let own = all
        .iter()
        .filter(|worker| worker.group.as_ref() == Some(&lane.group) && worker.contract == Some(lane.contract));
    // How long ago it was started; bull-board says how old its connection is.
    let age = |worker: &Worker| worker.system.and_then(|system| system.uptime).map_or(0.0, f64::round);
    let workers: Vec<Value> = own
        .map(|worker| json!({ "id": worker.url, "name": worker.url, "addr": worker.url, "age": age(worker) }))
        .collect();
    Ok(Json(json!({ "workers": workers })))
}
