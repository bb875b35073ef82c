//! What `POST /task` refuses.

use http::StatusCode;
use serde_json::json;

use super::body::{Answer, json_of};
use super::function::{Function, Kind};
use crate::task::{Contract, Priority};

/// Why a task was not run. The text is the `error` of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Unauthorized")]
    Unauthorized,
    #[error("Worker is in maintenance mode")]
    Maintenance,
    #[error("Body is larger than 10mb")]
    TooLarge,
    #[error("Body could not be read")]
    Unreadable,
    #[error("Content-Type must be application/json")]
    ContentType,
    #[error("Body must be a JSON object: {0}")]
    Json(String),
    #[error("Contract mismatch: this worker has contract {0}")]
    Contract(Contract),
    #[error("Unknown function: {0}")]
    Function(String),
    #[error("priority must be an integer from 1 to {}", Priority::MAX)]
    Priority,
    #[error("mode must be one of sync, stream, webhook")]
    Mode,
    #[error("input must be an object")]
    Input,
    #[error("Invalid type of input.{name}: expected {}", kind.name())]
    Argument { name: &'static str, kind: Kind },
    #[error("Function {} does not support streaming", .0.name())]
    NoStream(Function),
    #[error("Missing or invalid webhook.url for mode webhook")]
    Webhook,
}

impl Refusal {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Maintenance => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Function(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn answer(&self) -> Answer {
        let error = self.to_string();
        let body = match self {
            Self::Unauthorized | Self::Maintenance => json!({"error": error}),
            _ => json!({"success": false, "error": error}),
        };
        json_of(self.status(), &body)
    }
}
