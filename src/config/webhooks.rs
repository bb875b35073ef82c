//! The balancer's own word to webhooks.

use super::Secret;
use super::kind::{Flag, OptionalSecret};
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
