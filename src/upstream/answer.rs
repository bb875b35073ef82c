//! A worker's answer.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use http_body::Body;
use hyper::body::Incoming;

use super::DeliveryError;
use super::pool::Lent;

/// The head of a worker's answer, and its body to come.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `content-type`, as the worker sent it.
    pub content_type: Option<http::HeaderValue>,
    /// `retry-after`, in either of its forms (RFC 9110, 10.2.3).
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: AnswerBody,
}

/// The body of an answer, chunk by chunk. Dropping it before the end cuts the request off.
pub struct AnswerBody(Source);

enum Source {
    /// With its connection, until the body has ended.
    Http(Incoming, Option<Lent>),
    Stream(BoxStream<'static, Result<Bytes, DeliveryError>>),
}

impl AnswerBody {
    pub(super) fn from_http(body: Incoming, lent: Lent) -> Self {
        Self(Source::Http(body, Some(lent)))
    }

    /// A body from a stream of chunks.
    pub fn from_stream(stream: BoxStream<'static, Result<Bytes, DeliveryError>>) -> Self {
        Self(Source::Stream(stream))
    }

    /// The next chunk; `None` at the end.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, DeliveryError>> {
        match &mut self.0 {
            Source::Stream(stream) => stream.next().await,
            Source::Http(body, lent) => loop {
                let connection = lent.as_mut()?.connection();
                let frame = poll_fn(|context| connection.poll_frame(body, context)).await;
                let ended = frame.is_none() || body.is_end_stream();
                if let Some(lent) = lent.take_if(|_| ended) {
                    lent.give_back();
                }
                match frame? {
                    Ok(frame) => {
                        // Trailers say nothing to a client of ours.
                        if let Ok(data) = frame.into_data() {
                            return Some(Ok(data));
                        }
                    }
                    Err(error) => return Some(Err(DeliveryError::Broken(super::http::describe(&error)))),
                }
            },
        }
    }
}

impl std::fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnswerBody")
    }
}
