//! The two keys of a worker.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use subtle::ConstantTimeEq;

use crate::config::Secret;

/// Where the balancer sends its key.
const BALANCER_KEY: HeaderName = HeaderName::from_static("x-lb-auth");

#[derive(Debug)]
pub(super) struct Keys {
    worker: Secret,
    balancer: Secret,
}

impl Keys {
    pub(super) const fn new(worker: Secret, balancer: Secret) -> Self {
        Self { worker, balancer }
    }

    /// Whether `authorization` holds the worker's key.
    pub(super) fn worker_is_in(&self, headers: &HeaderMap) -> bool {
        is_key(headers.get(AUTHORIZATION), &self.worker)
    }

    /// Whether `x-lb-auth` holds the balancer's key.
    pub(super) fn balancer_is_in(&self, headers: &HeaderMap) -> bool {
        is_key(headers.get(BALANCER_KEY), &self.balancer)
    }

    /// Whether this is the balancer's key, as a WebSocket sub-protocol.
    pub(super) fn is_balancer(&self, protocol: &[u8]) -> bool {
        protocol.ct_eq(self.balancer.expose().as_bytes()).into()
    }
}

/// A key is sent as it is or as `Bearer <key>`.
fn is_key(value: Option<&HeaderValue>, key: &Secret) -> bool {
    let Some(value) = value else { return false };
    let value = value.as_bytes();
    let given = match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => key.trim_ascii(),
        _ => value,
    };
    given.ct_eq(key.expose().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_raw_or_as_a_bearer_token_and_nothing_else_is() {
        let key = Secret::new("k1");
        for good in ["k1", "Bearer k1", "bearer k1"] {
            assert!(is_key(Some(&HeaderValue::from_static(good)), &key), "{good}");
        }
        for bad in ["", "k", "k11", "Basic k1", "Bearer", "Bearer k2"] {
            assert!(!is_key(Some(&HeaderValue::from_static(bad)), &key), "{bad}");
        }
        assert!(!is_key(None, &key));
    }
}
