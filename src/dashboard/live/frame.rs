//! What pages are told, as finished text.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::workers::WorkerId;

/// What a page wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) enum Topic {
    /// Figures, lanes, and what needs attention.
    Overview,
    /// All workers.
    Workers,
    /// The balancer's log.
    Logs,
}

impl Topic {
    const ALL: [Self; 3] = [Self::Overview, Self::Workers, Self::Logs];

    /// The name of its events.
    pub(in crate::dashboard) const fn word(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Workers => "workers",
            Self::Logs => "logs",
        }
    }

    pub(in crate::dashboard) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.word() == word)
    }
}

/// What is told at one moment, by topic; `None` is nothing new. Clones share the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    pub(super) topics: [Option<Bytes>; 3],
    /// The workers that have changed, each by itself, for pages of one.
    pub(super) rows: Arc<HashMap<WorkerId, Bytes>>,
}

impl Frame {
    pub(super) fn of(&self, topic: Topic) -> Option<&Bytes> {
        self.topics[topic as usize].as_ref()
    }

    pub(super) fn set(&mut self, topic: Topic, data: &impl Serialize) {
        self.topics[topic as usize] = Some(event(topic.word(), data));
    }
}

/// A server-sent event.
pub(crate) fn event(name: &str, data: &impl Serialize) -> Bytes {
    // What is serialized here has no maps with keys that are no texts, the one thing that fails.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    format!("event: {name}\ndata: {data}\n\n").into()
}
