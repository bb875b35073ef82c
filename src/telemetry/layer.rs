//! The layer that turns events into lines.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::stdout::Lines;
use super::{LogRing, line};
use crate::task::Clock;

/// Turns events into lines and keeps them in a ring. Formatting happens on the thread that logs; it waits for nothing but short
/// locks.
#[derive(Debug)]
pub struct LogLayer {
    ring: LogRing,
    output: Option<Lines>,
    clock: Clock,
    /// Held from the time of a line to its place, so that both outputs have the same order and times never go back.
    order: Mutex<()>,
}

impl LogLayer {
    /// A layer that only fills `ring`: for tests and embedding.
    pub fn new(ring: LogRing) -> Self {
        Self { ring, output: None, clock: Clock::system(), order: Mutex::default() }
    }

    pub(super) fn with_output(mut self, lines: Lines) -> Self {
        self.output = Some(lines);
        self
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let _order = self.order.lock();
        let line: Arc<str> = line::format(event, self.clock.now()).into();
        if let Some(output) = &self.output {
            output.push(Arc::clone(&line));
        }
        self.ring.push(line);
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn logged(log: impl FnOnce()) -> Vec<String> {
        let ring = LogRing::new(10);
        let subscriber = tracing_subscriber::registry().with(LogLayer::new(ring.clone()));
        tracing::subscriber::with_default(subscriber, log);
        ring.lines()
    }

    /// The only line, without its time.
    fn one(log: impl FnOnce()) -> String {
        let lines = logged(log);
        assert_eq!(lines.len(), 1);
        lines[0].split_once("] ").unwrap().1.to_owned()
    }

    #[test]
    fn a_line_has_time_level_tag_and_text() {
        let lines = logged(|| tracing::info!(target: "andera_lb::workers::discovery", "found"));
        let (time, rest) = lines[0].split_once(' ').unwrap();
        assert_eq!(rest, "[INFO] [WORKERS] found");
        let time = time.trim_start_matches('[').trim_end_matches(']');
        assert!(crate::task::Timestamp::from_rfc3339(time).is_some(), "{time}");
        assert!(time.ends_with('Z'));
    }

    #[test]
    fn the_tag_is_the_room_or_the_foreign_crate() {
        assert_eq!(one(|| tracing::warn!(target: "andera_lb", "x")), "[WARN] [LB] x");
        assert_eq!(one(|| tracing::warn!(target: "hyper_util::client::pool", "x")), "[WARN] [HYPER_UTIL] x");
        assert_eq!(one(|| tracing::warn!(target: "odd\ntarget", "x")), "[WARN] [ODD\\nTARGET] x");
    }

    #[test]
    fn fields_follow_the_text() {
        let line = one(|| {
            let reason = "no such host";
            tracing::error!(target: "andera_lb::upstream", task = %7, tries = 3_u32, reason, r#type = "dns", "not sent");
        });
        assert_eq!(line, "[ERROR] [UPSTREAM] not sent task=7 tries=3 reason=\"no such host\" type=dns");
    }

    #[test]
    fn fields_alone_make_a_line() {
        assert_eq!(one(|| tracing::info!(target: "andera_lb::queue", waiting = 2)), "[INFO] [QUEUE] waiting=2");
    }

    #[test]
    fn nothing_breaks_a_line() {
        let line =
            one(|| tracing::info!(target: "andera_lb::api", name = %"a\u{2028}b", "one\r\ntwo\u{1b}[31m\ttab \"é\""));
        assert_eq!(line, "[INFO] [API] one\\r\\ntwo\\u{1b}[31m\\ttab \"é\" name=a\\u{2028}b");
    }

    #[test]
    fn a_long_line_is_cut_at_4_kib_and_says_so() {
        for text in ["x".repeat(10_000), "é".repeat(10_000), "\n".repeat(10_000)] {
            let lines = logged(|| tracing::info!(field = %"lost", "{text}"));
            assert!((4080..=4096).contains(&lines[0].len()), "{}", lines[0].len());
            assert!(lines[0].ends_with('…'));
            assert!(!lines[0].contains("lost"));
        }
    }

    #[test]
    fn the_ring_holds_no_more_than_it_was_made_for() {
        let lines = logged(|| (0..25).for_each(|n| tracing::info!("line {n}")));
        assert_eq!(lines.len(), 10);
        assert!(lines[9].ends_with("line 24"));
    }
}
