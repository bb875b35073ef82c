//! Compressed answers.

use http_body::Body;
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

/// Whether the length of a body is known from the start.
#[derive(Clone, Copy, Debug)]
pub struct Complete;

impl Predicate for Complete {
    fn should_compress<B: Body>(&self, response: &http::Response<B>) -> bool {
        response.body().size_hint().exact().is_some()
    }
}
