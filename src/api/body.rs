//! Request bodies: type, encoding, size.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder};
use axum::body::Body;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio_util::io::StreamReader;

use super::ApiError;
use crate::task::ErrorCode;

/// Below that a body is copied out of the connection's buffer, which it would else keep alive as long as its task is kept.
const COPIED_BELOW: usize = 64 * 1024;

/// Reads a JSON body of at most `limit` bytes, counted after decoding. What it holds is not looked at.
pub(super) async fn read_json(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    if !is_json(headers) {
        let message = "The content type must be application/json";
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
    }
    read(headers, body, limit).await
}

/// Reads a body of at most `limit` bytes, counted after decoding.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    if text(headers, CONTENT_LENGTH)
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: u64| length > limit as u64)
    {
        return Err(too_large(limit));
    }
    let encoding = text(headers, CONTENT_ENCODING).unwrap_or("identity").trim().to_ascii_lowercase();
    if encoding == "identity" {
        return read_plain(body, limit).await;
    }
    let stream = StreamReader::new(Box::pin(TryStreamExt::map_err(body.into_data_stream(), std::io::Error::other)));
    let stream = BufReader::new(stream);
    match encoding.as_str() {
        // Boxed: what most requests have no use for would else be a part of the way of each.
        "gzip" | "x-gzip" => Box::pin(decode(GzipDecoder::new(stream), limit)).await,
        "deflate" => Box::pin(decode(ZlibDecoder::new(stream), limit)).await,
        "br" => Box::pin(decode(BrotliDecoder::new(stream), limit)).await,
        _ => {
            let message = "The content encoding must be gzip, deflate or br";
            Err(ApiError::new(ErrorCode::UnsupportedMediaType, message))
        }
    }
}

async fn read_plain(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => {
            let bytes = collected.to_bytes();
            Ok(if bytes.len() < COPIED_BELOW { Bytes::copy_from_slice(&bytes) } else { bytes })
        }
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(_) => Err(ApiError::new(ErrorCode::InvalidJson, "The body ended too early")),
    }
}

async fn decode(decoder: impl AsyncRead + Unpin, limit: usize) -> Result<Bytes, ApiError> {
    let mut plain = Vec::new();
    let read = decoder.take(limit as u64 + 1).read_to_end(&mut plain).await;
    match read {
        Ok(length) if length > limit => Err(too_large(limit)),
        Ok(_) => Ok(plain.into()),
        Err(_) => Err(ApiError::new(ErrorCode::InvalidJson, "The body does not match its content encoding")),
    }
}

/// Whether the content type is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let essence = essence(headers);
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The content type in lower case, parameters left out.
pub(super) fn essence(headers: &HeaderMap) -> String {
    let value = text(headers, CONTENT_TYPE).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(ErrorCode::BodyTooLarge, format!("The body is larger than {limit} bytes"))
}
