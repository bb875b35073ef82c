//! The keys.

use super::Secret;

/// The keys.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// `LB_AUTH_KEY` (required): opens the API, and tells workers that the balancer is theirs. A WebSocket
    /// sub-protocol token (RFC 7230 `tchar`s only).
    pub lb_auth_key: Secret,
}
