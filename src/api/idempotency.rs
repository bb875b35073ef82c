//! `Idempotency-Key`.

use http::{HeaderMap, HeaderName};

use super::ApiError;
use crate::task::{ErrorCode, Idempotency, IdempotencyKey, TaskRequest, WorkerKey};

/// The header that names a submission.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key in the header, if there is one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(value), more) = (values.next(), values.next()) else { return Ok(None) };
    if more.is_some() {
        return Err(ApiError::new(ErrorCode::InvalidIdempotencyKey, "There is more than one Idempotency-Key"));
    }
    // What is no text has no visible character.
    Ok(Some(IdempotencyKey::parse(value.to_str().unwrap_or_default(), "Idempotency-Key")?))
}

/// What tells a repeat of the request from another one: by the key in the header, or the one in its options. `sent` is the body as the
/// client sent it.
pub(super) fn of(
    header: Option<IdempotencyKey>,
    request: &mut TaskRequest,
    sent: &[u8],
    worker_key: &WorkerKey,
) -> Result<Option<Idempotency>, ApiError> {
    let key = match (header, request.options.idempotency_key.take()) {
        (Some(header), Some(option)) if header != option => {
            let message = "Idempotency-Key and options.idempotencyKey differ";
            return Err(ApiError::new(ErrorCode::InvalidIdempotencyKey, message));
        }
        (header, option) => header.or(option),
    };
    Ok(key.map(|key| Idempotency::new(key, sent, worker_key)))
}
