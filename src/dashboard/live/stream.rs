//! `GET /dashboard/api/live` and `…/history`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::frame::{Frame, Topic};
use super::history::{Range, Sample};
use super::sampler::snapshot;
use crate::api::ApiError;
use crate::dashboard::DashboardState;
use crate::dashboard::access::Visitor;
use crate::dashboard::workers::listed;
use crate::task::ErrorCode;
use crate::workers::WorkerId;

/// What a page wants to hear of.
#[derive(Debug, Default, Deserialize)]
pub(in crate::dashboard) struct Asked {
    /// Topics, separated by commas.
    #[serde(default)]
    of: String,
    /// The address of one worker, in base64.
    worker: Option<String>,
}

/// One page that listens.
struct Page {
    state: DashboardState,
    visitor: Visitor,
    topics: Vec<Topic>,
    worker: Option<WorkerId>,
    frames: broadcast::Receiver<Frame>,
    waiting: VecDeque<Bytes>,
}

/// Tells a page how things stand, and from then on what changes: server-sent events named by their topic, and `worker`.
pub(in crate::dashboard) async fn events(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let unknown = |word: &str| ApiError::new(ErrorCode::InvalidQuery, format!("of: {word:?} is not known"));
    let topics = asked.of.split(',').filter(|word| !word.is_empty());
    let topics =
        topics.map(|word| Topic::from_word(word).ok_or_else(|| unknown(word))).collect::<Result<Vec<_>, _>>()?;
    let worker = asked.worker.map(|name| listed(&state.live.view.fleet, &name).map(|(id, _)| id)).transpose()?;
    // Listening first, then looking: what happens in between is told twice rather than not at all.
    let frames = state.live.hub.listen();
    let mut page = Page { state, visitor, topics, worker, frames, waiting: VecDeque::new() };
    page.begin().await;
    let mut response = Body::from_stream(told(page)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Some proxies keep answers back until they are complete unless told not to.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn told(page: Page) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::unfold(page, |mut page| async {
        loop {
            if let Some(text) = page.waiting.pop_front() {
                return Some((Ok(text), page));
            }
            page.hear().await?;
        }
    })
}

impl Page {
    async fn begin(&mut self) {
        let frame = snapshot(&self.state.live.hub, &self.state.live.view).await;
        self.take(&frame);
    }

    /// Waits for something to tell; `None` ends the stream.
    async fn hear(&mut self) -> Option<()> {
        let dispatcher = Arc::clone(&self.state.live.view.dispatcher);
        let heard = tokio::select! {
            biased;
            () = dispatcher.drain_begun() => return None,
            heard = self.frames.recv() => heard,
        };
        if !self.state.access.still_admits(&self.visitor) {
            return None;
        }
        match heard {
            Ok(frame) => self.take(&frame),
            Err(RecvError::Lagged(_)) => self.begin().await,
            Err(RecvError::Closed) => return None,
        }
        Some(())
    }

    fn take(&mut self, frame: &Frame) {
        self.waiting.extend(self.topics.iter().filter_map(|topic| frame.of(*topic).cloned()));
        self.waiting.extend(self.worker.and_then(|worker| frame.rows.get(&worker).cloned()));
        if self.waiting.is_empty() {
            // So that a page can tell silence from a broken line.
            self.waiting.push_back(Bytes::from_static(b"event: quiet\ndata: null\n\n"));
        }
    }
}

/// How far back.
#[derive(Debug, Deserialize)]
pub(in crate::dashboard) struct Back {
    range: String,
}

/// The figures of the last 5 minutes, hour or day.
pub(in crate::dashboard) async fn history(
    State(state): State<DashboardState>,
    Query(Back { range }): Query<Back>,
) -> Result<Json<Value>, ApiError> {
    let words = Range::ALL.map(Range::word).join(", ");
    let range = Range::from_word(&range)
        .ok_or_else(|| ApiError::new(ErrorCode::InvalidQuery, format!("range must be one of {words}")))?;
    Ok(Json(state.live.history(range)))
}

impl crate::dashboard::Live {
    /// The samples of that range, as pages read them.
    pub(in crate::dashboard) fn history(&self, range: Range) -> Value {
        let history = self.hub.history.lock();
        let samples: Vec<&Sample> = history.samples(range).collect();
        json!({ "range": range.word(), "step": range.step(), "columns": Sample::NAMES, "samples": samples })
    }
}
