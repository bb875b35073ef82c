//! What clients have sent, and what they were told.

use std::collections::HashMap;

use serde_json::Value;

use super::kind::Kind;

/// A request for a task, as its client has seen it.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) kind: Kind,
    pub(super) mode: &'static str,
    pub(super) marker: String,
    pub(super) told: Told,
    /// It asked for the task to be cancelled, and was told that it is.
    pub(super) cancelled: bool,
}

/// What the client was told.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// Nothing: the task may be there or not.
    Nothing,
    /// The id, but not all of the answer.
    Head { id: String },
    /// All of it.
    All { id: String, status: u16, body: Vec<u8> },
}

impl Told {
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Head { id } | Self::All { id, .. } => Some(id),
        }
    }
}

/// Everything that clients know.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    pub(super) sent: Vec<Sent>,
    /// Tasks as they were shown once they had ended.
    pub(super) ended: HashMap<String, Value>,
}

impl Knowledge {
    /// How many requests had no answer: of each there may be a task.
    pub(super) fn unanswered(&self) -> usize {
        self.sent.iter().filter(|sent| sent.told.id().is_none()).count()
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "{} sent, {} of them without an answer, {} seen ended",
            self.sent.len(),
            self.unanswered(),
            self.ended.len()
        )
    }
}
