//! Request bodies that are answered before they have been read to their end.
//!
//! Many clients send a body to its end before they look for an answer. If the connection were closed on one that is refused at
//! once (its key is wrong, it is too large), such a client would see a broken connection and never the answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::connection::Activity;

/// A shorter body is in the connection's own buffer by then, as a rule.
const WATCHED_FROM: u64 = 8 * 1024;
/// How much is read for a client that has its answer already. Beyond, the connection is closed.
const MAX_BYTES: usize = 64 << 20;
const LIMIT: Duration = Duration::from_secs(10);

/// What is left of a body, if its reader leaves anything.
type Leftover = Arc<Mutex<Option<Incoming>>>;

/// Reads what nobody wants, so that its sender gets to see the answer.
#[derive(Debug, Default)]
pub(super) struct Leftovers(TaskTracker);

impl Leftovers {
    /// The request with a body that is watched, if it is long.
    pub(super) fn watch(request: Request<Incoming>) -> (Request<Body>, Option<Leftover>) {
        if http_body::Body::size_hint(request.body()).upper().is_some_and(|length| length < WATCHED_FROM) {
            return (request.map(Body::new), None);
        }
        // Such a client sends nothing before it is asked to, and a look at the body would ask it to.
        let sends = !request.headers().contains_key(EXPECT);
        let leftover = Leftover::default();
        let kept = Arc::clone(&leftover);
        (request.map(|body| Body::new(Watched { body: Some(body), sends, kept })), Some(leftover))
    }

    /// Reads what is left, within limits, while the answer is on its way.
    pub(super) fn read(&self, leftover: &Leftover, activity: Arc<Activity>) {
        let Some(rest) = leftover.lock().take() else { return };
        // What is left of a body is never to be taken for the next request.
        let goes_on = activity.goes_on();
        // Tasks `leftover`; one ends with its connection at the latest.
        self.0.spawn(async move {
            let mut rest = Limited::new(rest, MAX_BYTES);
            let read = async { while let Some(Ok(_)) = rest.frame().await {} };
            // Out of time: the connection is closed.
            let _ = tokio::time::timeout(LIMIT, read).await;
            drop(goes_on);
        });
    }

    /// Waits until nothing is read any more.
    pub(super) async fn finished(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

/// A body that leaves behind what of it was not read.
struct Watched {
    body: Option<Incoming>,
    /// Whether the client sends it, asked or not.
    sends: bool,
    kept: Leftover,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.sends = true;
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.sends {
            *self.kept.lock() = self.body.take().filter(|body| !http_body::Body::is_end_stream(body));
        }
    }
}
