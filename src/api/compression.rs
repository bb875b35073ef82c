//! Compressed answers.

use std::convert::Infallible;
use std::future::ready;

use axum::response::Response;
use http::HeaderValue;
use http::header::ACCEPT_ENCODING;
use http_body::Body;
use tower::{Layer, Service};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{And, NotForContentType, Predicate, SizeAbove};

/// Below that compression costs more than it saves.
const MIN_BYTES: u64 = 1_024;

/// Compresses answers that are complete when they begin, for clients that accept it. A stream is left alone: an encoder would hold
/// its chunks back.
pub fn layer() -> CompressionLayer<And<And<SizeAbove, NotForContentType>, Complete>> {
    CompressionLayer::new()
        .gzip(true)
        .compress_when(SizeAbove::new(MIN_BYTES).and(NotForContentType::SSE).and(Complete))
}

/// An answer as [`layer`] would let it through, to a client that sent these lines of `accept-encoding`.
pub(super) async fn compressed(response: Response, accepts: impl IntoIterator<Item = HeaderValue>) -> Response {
    let small = http_body::Body::size_hint(response.body()).exact().is_none_or(|bytes| bytes < MIN_BYTES);
    if small {
        return response;
    }
    let mut request = http::Request::new(());
    for line in accepts {
        request.headers_mut().append(ACCEPT_ENCODING, line);
    }
    let mut response = Some(response);
    let answer =
        tower::service_fn(|_: http::Request<()>| ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let Ok(response) = layer().layer(answer).call(request).await;
    response.map(axum::body::Body::new)
}

/// Whether the length of a body is known from the start.
#[derive(Clone, Copy, Debug)]
pub struct Complete;

impl Predicate for Complete {
    fn should_compress<B: Body>(&self, response: &http::Response<B>) -> bool {
        response.body().size_hint().exact().is_some()
    }
}
