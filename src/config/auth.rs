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
        /// The former `LB_AUTH_KEY`, after a change: the worker keys of tasks stored under it can still be read. It opens
        /// nothing else.
        pub lb_auth_key_previous: Option<Secret> = LB_AUTH_KEY_PREVIOUS, OptionalSubProtocolToken, "";
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

/// A secret by the same rules, or nothing.
struct OptionalSubProtocolToken;

impl Kind<Option<Secret>> for OptionalSubProtocolToken {
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Option<Option<Secret>> {
        if text.is_empty() { Some(None) } else { SubProtocolToken.parse(text).map(Some) }
    }

    fn accepted(&self) -> String {
        SubProtocolToken.accepted()
    }
}
