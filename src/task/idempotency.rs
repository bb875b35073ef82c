//! Submissions that may come twice.

use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::{BadRequest, ErrorCode, WorkerKey};

/// The longest idempotency key, in bytes.
const MAX_KEY_BYTES: usize = 255;
/// Stands for a worker key that is unreadable: no text has this byte in it, so no key has the same hash.
const NO_TEXT: &[u8] = &[0xff];

/// A client's name for a submission that it may send again: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// What tells a repeated submission from another one under the same key.
#[derive(Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key; it holds for the whole balancer, whatever the lane.
    pub key: IdempotencyKey,
    /// SHA-256 of the body as the client sent it, decoded.
    pub body_hash: [u8; 32],
    /// SHA-256 of the key for the worker; of an unreadable one a hash that no key has.
    pub worker_key_hash: [u8; 32],
}

impl IdempotencyKey {
    /// Reads a key; `field` names it in the error.
    pub fn parse(text: &str, field: &str) -> Result<Self, BadRequest> {
        let fits = (1..=MAX_KEY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            return Ok(Self(text.into()));
        }
        let message = format!("{field} must be 1 to {MAX_KEY_BYTES} visible ASCII characters");
        Err(BadRequest::new(ErrorCode::InvalidIdempotencyKey, message))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Idempotency {
    /// The idempotency of a submission with that body, before anything in it is changed.
    pub fn new(key: IdempotencyKey, body: &[u8], worker_key: &WorkerKey) -> Self {
        Self::stored(key, sha256(body), worker_key)
    }

    /// The idempotency of a task out of a store. That needs the hash of the body only: a store that seals the worker key does not
    /// keep a bare hash of it beside, by which it could be guessed.
    pub fn stored(key: IdempotencyKey, body_hash: [u8; 32], worker_key: &WorkerKey) -> Self {
        let worker_key_hash = sha256(worker_key.expose().map_or(NO_TEXT, str::as_bytes));
        Self { key, body_hash, worker_key_hash }
    }
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency").field("key", &self.key).finish_non_exhaustive()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, body: &str, worker_key: &str) -> Idempotency {
        Idempotency::new(IdempotencyKey::parse(key, "k").unwrap(), body.as_bytes(), &WorkerKey::new(worker_key))
    }

    #[test]
    fn a_key_is_1_to_255_visible_ascii_characters() {
        for good in ["a", "~!\"", &"x".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(good, "k").unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\t", "\u{7f}", "ä", &"x".repeat(256)] {
            let error = IdempotencyKey::parse(bad, "Idempotency-Key").unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidIdempotencyKey, "{bad}");
            assert!(error.message.starts_with("Idempotency-Key must be"), "{error}");
        }
    }

    #[test]
    fn differs_by_key_body_and_worker_key() {
        assert_eq!(of("k", "{}", "w"), of("k", "{}", "w"));
        assert_ne!(of("k", "{}", "w"), of("l", "{}", "w"));
        assert_ne!(of("k", "{}", "w"), of("k", "{ }", "w"));
        assert_ne!(of("k", "{}", "w"), of("k", "{}", "v"));
    }

    #[test]
    fn a_submission_out_of_a_store_is_the_same_unless_its_worker_key_is_unreadable() {
        let sent = of("k", "{}", "w");
        let stored = |key: &WorkerKey| Idempotency::stored(sent.key.clone(), sent.body_hash, key);
        assert_eq!(stored(&WorkerKey::new("w")), sent);
        assert_ne!(stored(&WorkerKey::unreadable(*b"w")), sent);
        assert_ne!(stored(&WorkerKey::unreadable([])), of("k", "{}", ""));
    }

    #[test]
    fn hashes_are_sha_256_and_never_shown() {
        let empty = of("k", "", "");
        assert_eq!(empty.body_hash[..4], [0xe3, 0xb0, 0xc4, 0x42]);
        assert_eq!(format!("{empty:?}"), r#"Idempotency { key: IdempotencyKey("k"), .. }"#);
    }
}
