//! Signatures by the Standard Webhooks specification.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;

use crate::task::Timestamp;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Signs notices with HMAC-SHA256.
pub(super) struct Signer(hmac::Key);

impl Signer {
    /// A signer for `whsec_` and base64, or for any text as it is.
    pub(super) fn new(secret: &str) -> Self {
        let decoded = secret.strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
        let key = decoded.as_deref().unwrap_or(secret.as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Adds the id, the time and the signature over both and the body.
    pub(super) fn sign(&self, headers: &mut HeaderMap, id: String, now: Timestamp, body: &[u8]) {
        let seconds = (now.as_millis() / 1_000).to_string();
        let signature = self.signature(&id, &seconds, body);
        for (name, value) in [(ID, id), (TIMESTAMP, seconds), (SIGNATURE, signature)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }

    fn signature(&self, id: &str, seconds: &str, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_specification_says() {
        // Calculated with Python's hmac over "msg_1.1614265330.{}".
        let signer = Signer::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(signer.signature("msg_1", "1614265330", b"{}"), EXPECTED);
        assert_ne!(Signer::new("other").signature("msg_1", "1614265330", b"{}"), EXPECTED);
    }

    const EXPECTED: &str = "v1,ZztYR0IIDCBCUcYzh8ZE+qsQWpIgtHU7R1hpe8htaD4=";
}
