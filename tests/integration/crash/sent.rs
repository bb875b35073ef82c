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
    /// That it is refused, and to be sent again; perhaps the id of a task that there is all the same.
    Refused { id: Option<String>, code: String },
    /// The id, but not all of the answer.
    Head { id: String },
    /// All of it.
    All { id: String, status: u16, body: Vec<u8> },
}

impl Told {
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Nothing | Self::Refused { .. } => None,
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
    /// Connections that were made and then cut before there was an answer.
    pub(super) cut: usize,
}

impl Knowledge {
    /// How many requests were not answered with a task: of each there may be one.
    pub(super) fn unanswered(&self) -> usize {
        self.sent.iter().filter(|sent| sent.told.id().is_none()).count()
    }

    pub(super) fn refused(&self) -> usize {
        self.sent.iter().filter(|sent| matches!(sent.told, Told::Refused { .. })).count()
    }

    pub(super) fn summary(&self) -> String {
        format!(
            "{} sent, {} of them without a task, {} of these refused, {} seen ended",
            self.sent.len(),
            self.unanswered(),
            self.refused(),
            self.ended.len()
        )
    }
}
