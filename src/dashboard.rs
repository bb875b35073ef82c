//! Pages for people, and what they ask for.
//!
//! | file | what it does |
//! |---|---|
//! | `access` | who may see the pages, and who may act |
//! | `pages`, `assets`, `landing` | templates, the files that go with them, `/` |
//! | `live` | the history of figures, and the stream of what changes |
//! | `overview`, `workers`, `tasks`, `policies`, `logs` | the pages |
//! | `bull` | `/bull`: lanes as queues of `BullMQ` |

mod access;
mod assets;
mod bull;
mod landing;
mod live;
mod logs;
mod overview;
mod pages;
mod policies;
mod tasks;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

pub use access::{Access, DeriveError};
pub use pages::{Pages, TemplateError};

use self::live::{Hub, LaneHistory, Sampler, View};
use crate::api::{self, ApiState};
use crate::config::{DashboardSettings, Settings};

pub(crate) use live::event as live_event;

/// What the pages are made from.
#[derive(Clone)]
pub struct DashboardState {
    pages: Arc<Pages>,
    access: Access,
    live: Live,
    /// Where the list of workers is, to be shown.
    workers_file: Arc<str>,
    /// Bytes of a request body.
    body_limit: usize,
}

/// Figures and changes, for as many pages as there are. Clones share them.
#[derive(Clone)]
pub struct Live {
    hub: Arc<Hub>,
    view: View,
}

impl DashboardState {
    /// What the pages are made from.
    pub fn new(pages: Pages, access: Access, api: &ApiState, settings: &Settings) -> Self {
        let view = View {
            dispatcher: Arc::clone(&api.dispatcher),
            fleet: Arc::clone(&api.fleet),
            metrics: Arc::clone(&api.metrics),
            logs: api.logs.clone(),
            data_dir: View::directory(settings.queue.backend, &settings.queue.data_dir),
        };
        let workers_file = settings.workers.file.display().to_string().into();
        let (pages, live) = (Arc::new(pages), Live { hub: Arc::default(), view });
        Self { pages, access, live, workers_file, body_limit: api.body_limit }
    }

    /// The live data of the pages.
    pub fn live(&self) -> &Live {
        &self.live
    }
}

impl Live {
    /// What ended in each lane.
    fn lanes(&self) -> &parking_lot::Mutex<LaneHistory> {
        &self.hub.lanes
    }

    /// Samples figures, and tells open pages what changes, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        Sampler::new(self.hub, self.view).run(stop).await;
    }
}

/// The routes for people. The settings say which of them there are.
pub fn router(state: DashboardState, api: ApiState, settings: &DashboardSettings) -> Router {
    let public = Router::new().route("/", get(landing::show)).layer(api::compression());
    let public = public.route("/favicon.svg", get(assets::favicon));
    if !settings.enabled && !settings.bull_board_enabled {
        return public.with_state(state);
    }
    let mut below = shared(&state.access);
    if settings.enabled {
        below = below.merge(dashboard(&state.access, api));
    }
    if settings.bull_board_enabled {
        below = below.merge(bull::routes(&state.access));
    }
    let below = below.layer(api::compression()).layer(from_fn(access::secure));
    public.merge(below).with_state(state)
}

/// What all pages need.
fn shared(access: &Access) -> Router<DashboardState> {
    let open = Router::new()
        .route("/dashboard/login", get(access::show_login).post(access::log_in))
        .route("/dashboard/assets/{version}/{name}", get(assets::show));
    let pages = Router::new()
        .route("/dashboard/logout", post(access::log_out))
        .route_layer(from_fn_with_state(access.clone(), access::require_for_page));
    let data = Router::new()
        .route("/dashboard/api/session", get(access::show_session))
        .route("/dashboard/api/live", get(live::events))
        .route_layer(from_fn_with_state(access.clone(), access::require_for_data));
    open.merge(pages).merge(data)
}

fn dashboard(access: &Access, api: ApiState) -> Router<DashboardState> {
    let pages = Router::new()
        .route("/dashboard", get(overview::show))
        .route("/dashboard/workers", get(workers::show_all))
        .route("/dashboard/workers/{url}", get(workers::show_one))
        .route("/dashboard/tasks", get(tasks::show_all))
        .route("/dashboard/tasks/new", get(tasks::show_new))
        .route("/dashboard/tasks/{id}", get(tasks::show_one))
        .route("/dashboard/policies", get(policies::show))
        .route("/dashboard/logs", get(logs::show))
        .route_layer(from_fn_with_state(access.clone(), access::require_for_page));
    let data = Router::new()
        .route("/dashboard/api/workers", get(workers::list))
        .route("/dashboard/api/workers/{url}/logs", get(workers::logs))
        .route("/dashboard/api/tasks/export", get(tasks::export))
        .route("/dashboard/api/tasks/{id}/sent", get(tasks::show_sent))
        .route("/dashboard/api/history", get(live::history))
        .nest("/dashboard/api", api::resources().with_state(api))
        .route_layer(from_fn_with_state(access.clone(), access::require_for_data));
    pages.merge(data)
}
