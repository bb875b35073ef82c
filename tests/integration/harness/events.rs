//! A client of server-sent events.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::TestApp;

/// Generous: a busy machine makes a test slow, not red.
const LIMIT: Duration = Duration::from_secs(30);

/// A client of server-sent events. Dropping it closes its connection.
pub(crate) struct Events {
    pub(crate) response: reqwest::Response,
    buffer: Vec<u8>,
    parsed: VecDeque<(String, Value)>,
}

impl Events {
    /// Opens a stream; everything from its head on is heard.
    pub(crate) async fn open(app: &TestApp, path: &str) -> Self {
        let response = app.request("GET", path).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self { response, buffer: Vec::new(), parsed: VecDeque::new() }
    }

    /// The next event: its name and data. `None` once the stream has ended in good order.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(event) = self.parsed.pop_front() {
                return Some(event);
            }
            let chunk = tokio::time::timeout(LIMIT, self.response.chunk()).await.expect("in vain: an event");
            self.buffer.extend_from_slice(&chunk.expect("the stream broke")?);
            while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
                self.parsed.extend(parse(std::str::from_utf8(&event).unwrap()));
            }
        }
    }

    /// The next events up to one of that name, it included.
    pub(crate) async fn up_to(&mut self, name: &str) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while events.last().is_none_or(|(last, _)| last != name) {
            events.push(self.next().await.unwrap_or_else(|| panic!("the stream ended after {events:?}")));
        }
        events
    }

    /// All events up to the end of the stream.
    pub(crate) async fn all(mut self) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// The names of events, in order.
pub(crate) fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

/// One event; nothing if it is a comment.
fn parse(text: &str) -> Option<(String, Value)> {
    let of = |field: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
        Some(lines.collect::<Vec<_>>().join("\n")).filter(|value| !value.is_empty())
    };
    Some((of("event")?, serde_json::from_str(&of("data")?).unwrap()))
}
