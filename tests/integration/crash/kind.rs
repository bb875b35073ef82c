//! What clients send.

use andera_lb::task::Chance;
use serde_json::{Value, json};

use crate::harness::{TestApp, with};

/// What a client sends, and with it what may become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It works.
    Works,
    /// It fails at first, and works when it is tried again.
    Recovers,
    /// It fails, however often it is tried.
    Fails,
    /// It runs at most once.
    Once,
    /// It may only run later.
    Delayed,
    /// It is cancelled long before it may run.
    Cancelled,
    /// It is sent again with its key until there is an answer, and once more.
    Keyed,
    /// Several in one request.
    Batch,
    /// A stream.
    Stream,
}

use Kind::{Batch, Cancelled, Delayed, Fails, Keyed, Once, Recovers, Stream, Works};

/// Each as often as it is to be sent.
const MIX: [Kind; 16] = [
    Works, Works, Works, Works, Recovers, Recovers, Fails, Once, Once, Delayed, Delayed, Cancelled, Keyed, Keyed,
    Batch, Stream,
];

/// How long a task that is to be cancelled is delayed.
const LONG: u64 = 600_000;

impl Kind {
    pub(super) fn any(chance: &Chance) -> Self {
        MIX[below(chance, MIX.len())]
    }

    /// A mode it can be sent in.
    pub(super) fn mode(self, chance: &Chance) -> &'static str {
        match self {
            Stream => "stream",
            // A run that only the webhook knows of would make two ends of one that may run once.
            Once => ["sync", "async"][below(chance, 2)],
            Delayed | Cancelled | Batch => "async",
            _ => ["sync", "async", "webhook"][below(chance, 3)],
        }
    }

    pub(super) fn body(self, mode: &str, hook: &str, marker: &str, chance: &Chance) -> Value {
        let nap = TestApp::call("sleep", &json!({ "ms": below(chance, 80), "marker": marker }));
        let body = match self {
            Works | Keyed | Batch if below(chance, 2) == 0 => TestApp::call("echo", &json!({ "marker": marker })),
            Works | Keyed | Batch => nap,
            Recovers => TestApp::call("fail", &json!({ "times": 1 })),
            Fails => with(TestApp::call("fail", &json!({})), json!({ "options": { "attempts": 2 } })),
            Once => with(nap, json!({ "options": { "attempts": 1 } })),
            Delayed => with(nap, json!({ "options": { "delayMs": 1 + below(chance, 900) } })),
            Cancelled => with(TestApp::call("hello", &json!({})), json!({ "options": { "delayMs": LONG } })),
            Stream => TestApp::call("countdown", &json!({ "from": 3, "ms": 15 })),
        };
        let body = match mode {
            "webhook" => with(body, json!({ "webhook": { "url": hook, "headers": { "x-marker": marker } } })),
            _ => body,
        };
        let body = with(body, json!({ "mode": mode }));
        match below(chance, 8) {
            priority @ 1..4 => with(body, json!({ "priority": priority })),
            _ => body,
        }
    }
}

/// A number below `end`.
pub(super) fn below(chance: &Chance, end: usize) -> usize {
    usize::try_from(chance.number() % end as u64).unwrap()
}
