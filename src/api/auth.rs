//! The load balancer's key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

use super::ApiError;
use crate::config::Secret;
use crate::task::ErrorCode;

/// The key that opens protected routes, compared in constant time.
#[derive(Clone, Debug)]
pub struct LbKey(Arc<Secret>);

impl LbKey {
    /// The gate for that key.
    pub fn new(key: Secret) -> Self {
        Self(Arc::new(key))
    }

    /// Whether the request carries the key: in `Authorization`, or in `x-lb-auth` if there is none; raw or as `Bearer <key>`.
    pub fn opens(&self, headers: &HeaderMap) -> bool {
        let given = |name| headers.get(name).filter(|value| !value.is_empty());
        let given = given(AUTHORIZATION.as_str()).or_else(|| given("x-lb-auth")).and_then(|value| value.to_str().ok());
        given.is_some_and(|given| self.is(bare(given)))
    }

    /// Refuses a request that does not carry the key.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.opens(headers) { Ok(()) } else { Err(ApiError::new(ErrorCode::Unauthorized, "Unauthorized")) }
    }

    /// Whether that is the key.
    pub fn is(&self, given: &str) -> bool {
        bool::from(given.as_bytes().ct_eq(self.0.expose().as_bytes()))
    }
}

/// A key without its `Bearer` scheme, which is written in any case (RFC 9110, 11.1).
pub(super) fn bare(text: &str) -> &str {
    match text.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer ") => key.trim(),
        _ => text.trim(),
    }
}

/// Lets nothing through without the key, before anything else of the request is looked at.
pub async fn require_key(State(key): State<LbKey>, request: Request, next: Next) -> Result<Response, ApiError> {
    key.check(request.headers())?;
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
        LbKey::new(Secret::new("k3y")).opens(&headers)
    }

    #[test]
    fn the_key_opens_raw_and_as_bearer_in_either_header() {
        assert!(opens(&[("authorization", "k3y")]));
        assert!(opens(&[("authorization", "Bearer k3y")]));
        assert!(opens(&[("authorization", "bearer k3y")]));
        assert!(opens(&[("x-lb-auth", "k3y")]));
        assert!(opens(&[("x-lb-auth", "Bearer k3y")]));
        assert!(opens(&[("authorization", ""), ("x-lb-auth", "k3y")]));
    }

    #[test]
    fn anything_else_does_not() {
        assert!(!opens(&[]));
        assert!(!opens(&[("authorization", "k3")]));
        assert!(!opens(&[("authorization", "Basic k3y")]));
        assert!(!opens(&[("authorization", "Bearer ")]));
        assert!(!opens(&[("authorization", "wrong"), ("x-lb-auth", "k3y")]), "Authorization is read first");
    }
}
