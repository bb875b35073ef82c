//! The first page: how the fleet is doing, and what needs somebody.

mod attention;
mod lanes;
mod storage;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use serde::Serialize;
use serde_json::json;

pub(super) use storage::Storage;

use self::attention::Notice;
use self::lanes::LaneRow;
use super::DashboardState;
use super::access::Visitor;
use super::live::{FellBack, History, Range, Sample, View, overview_now, workers};
use super::pages::{Page, Pages};
use super::workers::{Rows, WorkerRow};
use crate::api::ApiError;
use crate::dispatch::LaneView;
use crate::task::{LaneKey, Timestamp};
use crate::workers::WorkerId;

/// Lanes that are shown. Clients make lanes by naming them, so there may be any number.
const SHOWN_LANES: usize = 200;

/// What the first page shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    /// When, in milliseconds since the epoch.
    now: i64,
    /// The latest samples, by range.
    samples: BTreeMap<&'static str, Sample>,
    /// `None` if the queue does not say.
    lanes: Option<Vec<LaneRow>>,
    /// Lanes that are not shown.
    more_lanes: usize,
    /// What needs somebody, the worst first.
    attention: Vec<Notice>,
    /// Workers by how they are.
    workers: BTreeMap<String, usize>,
    policy: String,
}

/// What was found at one moment.
pub(super) struct Found<'a> {
    /// `None` if the queue does not say.
    pub(super) lanes: Option<Vec<LaneView>>,
    pub(super) rows: &'a [(WorkerId, WorkerRow)],
    /// Lanes in which tasks and free slots are beside each other, and for how long.
    pub(super) stuck: HashMap<LaneKey, Duration>,
    pub(super) storage: Storage,
    pub(super) fallbacks: Vec<FellBack>,
}

/// What happened within the last minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Minute {
    attempts: f64,
    bad_attempts: f64,
    completed: f64,
    failed: f64,
}

/// Adds the samples of the last minute up.
pub(super) fn last_minute(history: &History) -> Minute {
    history.samples(Range::Minutes).rev().take(60).fold(Minute::default(), |sum, sample| Minute {
        attempts: sum.attempts + sample.attempts,
        bad_attempts: sum.bad_attempts + sample.bad_attempts,
        completed: sum.completed + sample.completed,
        failed: sum.failed + sample.failed,
    })
}

/// What the first page shows of what was found.
pub(super) async fn of(view: &View, found: Found<'_>, samples: &[Option<Sample>; 3], minute: Minute) -> Overview {
    let now = view.dispatcher.clock().now();
    let policies = view.dispatcher.policy().statuses();
    let (lanes, more_lanes) = match &found.lanes {
        None => (None, 0),
        Some(views) => {
            let shown = lanes::rows(view, views, &found.stuck, SHOWN_LANES).await;
            let more = views.len() - shown.len();
            (Some(shown), more)
        }
    };
    let facts = attention::Facts {
        now,
        lanes: lanes.as_deref(),
        rows: found.rows,
        file_error: view.fleet.file_error(),
        policies: &policies,
        fallbacks: &found.fallbacks,
        storage: found.storage,
        minute,
    };
    let attention = attention::notices(&facts);
    let mut workers = BTreeMap::new();
    for (_, row) in found.rows {
        *workers.entry(row.status.clone()).or_default() += 1;
    }
    let named = Range::ALL.into_iter().zip(samples);
    Overview {
        now: now.as_millis(),
        samples: named.filter_map(|(range, sample)| Some((range.word(), (*sample)?))).collect(),
        lanes,
        more_lanes,
        attention,
        workers,
        policy: view.dispatcher.policy().active_choice().to_string(),
    }
}

/// The page. Without any worker in the list it shows how to add one.
pub(super) async fn show(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let (live, now) = (&state.live, state.live.view.dispatcher.clock().now());
    let rows = workers(&live.view, now, &mut Rows::default());
    let overview = overview_now(&live.hub, &live.view, &rows).await;
    let island = json!({ "overview": overview, "history": live.history(Range::Minutes) });
    let own = context! {
        title => "Overview",
        workers => rows.len(),
        workers_file => &*state.workers_file,
        ranges => Range::ALL.map(Range::word),
        island => Pages::island(&island),
    };
    state.pages.page(Page::Overview, "overview.html", &visitor, own)
}

/// How long ago that was, in whole seconds.
fn seconds_since(now: Timestamp, then: Timestamp) -> u64 {
    now.since(then).as_secs()
}
