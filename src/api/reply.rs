//! A task's reply as an HTTP response.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body::Frame;
use tokio::sync::mpsc;

use super::ApiError;
use crate::dispatch::{Reply, ReplyBody, StreamPart, Timing};
use crate::task::TaskId;

/// The header that names a task.
pub(super) const TASK_ID: HeaderName = HeaderName::from_static("x-task-id");
/// How long what took (W3C Server Timing).
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The response for a client that waited.
pub(super) fn respond(task: TaskId, reply: Reply) -> Response {
    let (status, content_type, body, timing) = match reply {
        Reply::Refused(refusal) => {
            let timing = refusal.timing;
            let mut response = ApiError::from(refusal.of(task)).into_response();
            show_timing(response.headers_mut(), &timing.unwrap_or_default());
            return response;
        }
        Reply::Answer { status, content_type, body, timing } => (status, content_type, body, timing),
    };
    let body = match body {
        ReplyBody::Full(bytes) => Body::from(bytes),
        ReplyBody::Stream(parts) => Body::new(Parts(parts)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(JSON));
    name_task(headers, task);
    show_timing(headers, &timing);
    response
}

/// Names the task in the answer's headers.
pub(super) fn name_task(headers: &mut http::HeaderMap, task: TaskId) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(task.to_string())) {
        headers.insert(TASK_ID, value);
    }
}

fn show_timing(headers: &mut http::HeaderMap, timing: &Timing) {
    let mut text = Vec::with_capacity(64);
    for (name, took) in [("queue", timing.queue), (", policy", timing.policy), (", worker", timing.worker)] {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b";dur=");
        put_millis(&mut text, took);
    }
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(text)) {
        headers.insert(SERVER_TIMING, value);
    }
}

/// Milliseconds with three decimals. By hand: a formatted floating-point number costs as much as reading the whole request.
fn put_millis(text: &mut Vec<u8>, took: Duration) {
    let micros = took.as_micros();
    let (millis, rest) = (micros / 1_000, micros % 1_000);
    text.extend_from_slice(millis.to_string().as_bytes());
    text.push(b'.');
    let digit = |of: u128| b'0' + u8::try_from(of % 10).unwrap_or(0);
    text.extend([digit(rest / 100), digit(rest / 10), digit(rest)]);
}

/// A body that comes bit by bit. If it breaks off, so does the client's connection.
struct Parts(mpsc::Receiver<StreamPart>);

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|part| match part {
            Some(StreamPart::Chunk(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(StreamPart::End) => None,
            None => Some(Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the worker broke off"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_three_decimals() {
        let put = |took| {
            let mut text = b"dur=".to_vec();
            put_millis(&mut text, took);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(put(Duration::ZERO), "dur=0.000");
        assert_eq!(put(Duration::from_nanos(999)), "dur=0.000");
        assert_eq!(put(Duration::from_micros(7)), "dur=0.007");
        assert_eq!(put(Duration::from_micros(1_050)), "dur=1.050");
        assert_eq!(put(Duration::from_micros(61_234_567)), "dur=61234.567");
        assert_eq!(put(Duration::MAX), "dur=18446744073709551615999.999");
    }
}
