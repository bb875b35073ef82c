//! The keys.

use super::Secret;
use super::kind::Kind;
use super::section::section;

section! {
    /// The keys.
    pub struct AuthSettings {
        /// Required. Opens the API, and tells workers that the balancer is theirs: give them the same.
        /// Letters, digits and !#$%&'*+-.^_`|~ only: it travels as a WebSocket sub-protocol.
        pub lb_auth_key: Secret = LB_AUTH_KEY, SubProtocolToken, "";
    }
}

/// A required secret that can travel as a WebSocket sub-protocol: an HTTP token (RFC 9110, 5.6.2).
struct SubProtocolToken;

impl Kind<Secret> for SubProtocolToken {
    const SECRET: bool = true;
    const REQUIRED: bool = true;

    fn parse(&self, text: &str) -> Option<Secret> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        (!text.is_empty() && text.bytes().all(is_token)).then(|| Secret::new(text))
    }

    fn accepted(&self) -> String {
        "made of letters, digits and !#$%&'*+-.^_`|~ only, because it travels to workers as a WebSocket sub-protocol"
            .to_owned()
    }
}
