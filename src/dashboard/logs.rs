//! The balancer's log: its page, and what is told to pages that are open.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use serde::Serialize;
use serde_json::json;

use super::DashboardState;
use super::access::Visitor;
use super::pages::{Page, Pages};
use crate::api::ApiError;
use crate::telemetry::LogRing;

/// News that are told at once. Of more, the last ones.
const MOST: usize = 1_000;

/// Follows the log.
#[derive(Debug)]
pub(super) struct Tail {
    seen: u64,
}

/// News of the log.
#[derive(Debug, Serialize)]
pub(super) struct News {
    /// Whether these are all there are: those told before are not to be kept.
    full: bool,
    /// News that were left out, since there were too many.
    missed: u64,
    lines: Vec<Arc<str>>,
    /// How many lines there were by the last of these, since the start.
    seen: u64,
}

impl Tail {
    pub(super) fn from_now(ring: &LogRing) -> Self {
        Self { seen: ring.since(u64::MAX).1 }
    }

    /// What was logged since the last call, if anything was.
    pub(super) fn next(&mut self, ring: &LogRing) -> Option<News> {
        let (lines, seen) = ring.since(self.seen);
        let missed = (seen - self.seen).saturating_sub(lines.len() as u64);
        self.seen = seen;
        (!lines.is_empty()).then(|| News::last(lines, missed, seen, false))
    }

    /// Leaves out what was logged up to now.
    pub(super) fn skip(&mut self, ring: &LogRing) {
        *self = Self::from_now(ring);
    }

    /// What there is.
    pub(super) fn whole(ring: &LogRing) -> News {
        let (lines, seen) = ring.since(0);
        News::last(lines, 0, seen, true)
    }
}

impl News {
    fn last(mut lines: Vec<Arc<str>>, missed: u64, seen: u64, full: bool) -> Self {
        let over = lines.len().saturating_sub(MOST);
        lines.drain(..over);
        Self { full, missed: missed + over as u64, lines, seen }
    }
}

/// The page.
pub(super) async fn show(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let workers: Vec<_> = state.live.view.fleet.urls().into_iter().take(MOST).collect();
    let names = workers.iter().map(|url| json!({ "url": url, "name": super::workers::name_of(url) }));
    let island = json!({ "workers": names.collect::<Vec<_>>() });
    state.pages.page(Page::Logs, "logs.html", &visitor, context! { title => "Logs", island => Pages::island(&island) })
}
