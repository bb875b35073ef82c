//! How a result comes back.

use serde::{Deserialize, Serialize};

/// How the result of a task comes back to its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the answer to the request.
    #[default]
    Sync,
    /// In the answer, as the worker produces it.
    Stream,
    /// The worker posts it to the task's `webhook.url`.
    Webhook,
    /// The client asks for it later, by task id.
    Async,
}

impl Mode {
    /// The mode of that name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "sync" => Self::Sync,
            "stream" => Self::Stream,
            "webhook" => Self::Webhook,
            "async" => Self::Async,
            _ => return None,
        })
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Stream => "stream",
            Self::Webhook => "webhook",
            Self::Async => "async",
        }
    }

    /// Whether a client keeps its connection open until the task ends.
    pub const fn client_waits(self) -> bool {
        matches!(self, Self::Sync | Self::Stream)
    }
}
