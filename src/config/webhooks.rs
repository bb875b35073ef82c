//! The balancer's own word to webhooks.

use super::Secret;
use super::kind::{Flag, Kind};
use super::section::section;

section! {
    /// What the balancer itself tells a webhook: that its task has finally failed.
    pub struct WebhookSettings {
        /// Signs the notices by the Standard Webhooks specification: whsec_ and base64, or any text.
        pub secret: Option<Secret> = WEBHOOK_SECRET, OptionalSecret, "";
        /// Whether notices may go to loopback, link-local and private addresses.
        pub allow_private: bool = WEBHOOK_ALLOW_PRIVATE, Flag, "false";
    }
}

/// A secret, or nothing.
struct OptionalSecret;

impl Kind<Option<Secret>> for OptionalSecret {
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Option<Option<Secret>> {
        Some((!text.is_empty()).then(|| Secret::new(text)))
    }

    fn accepted(&self) -> String {
        "a secret".to_owned()
    }
}
