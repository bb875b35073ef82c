//! Response bodies, and the JSON answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};
use serde::Serialize;
use tokio::sync::mpsc;

/// Chunks of a stream that may wait for a slow client.
const CHUNKS: usize = 16;

/// A whole answer, or one that is produced bit by bit.
pub(super) enum Body {
    Whole(Option<Bytes>),
    Stream(mpsc::Receiver<Result<Bytes, Aborted>>),
}

/// The stream is broken off: the connection is closed before the end of the body.
#[derive(Debug, thiserror::Error)]
#[error("the stream was broken off")]
pub(super) struct Aborted;

/// Where the chunks of a streamed body go.
pub(super) type Chunks = mpsc::Sender<Result<Bytes, Aborted>>;

impl Body {
    /// A streamed body and its source.
    pub(super) fn stream() -> (Chunks, Self) {
        let (sender, receiver) = mpsc::channel(CHUNKS);
        (sender, Self::Stream(receiver))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(chunks) => chunks.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Any answer of the worker.
pub(super) type Answer = Response<Body>;

/// What the HTTP service gives; it never fails.
pub(super) type Served = Result<Answer, Infallible>;

/// An answer that is JSON already.
pub(super) fn json(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Body::Whole(Some(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    answer
}

/// An answer from a value that can be written as JSON.
pub(super) fn json_of(status: StatusCode, value: &impl Serialize) -> Answer {
    json(status, written(value))
}

/// A value as JSON text. A value that cannot be written is a mistake in this room and gives `null`.
pub(super) fn written(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"null"), Bytes::from)
}

/// A streamed answer in plain text.
pub(super) fn plain_stream(body: Body) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
