//! The last lines of the worker's log, for `GET /logs`.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::task::Clock;

const MAX_LINES: usize = 1000;

/// Lines of the form `[ISO time] [LEVEL] [TAG] text`, oldest first. Also sent to `tracing`.
#[derive(Debug, Default)]
pub(super) struct Logs(Mutex<VecDeque<String>>);

impl Logs {
    pub(super) fn info(&self, tag: &str, text: &str) {
        tracing::info!(tag, "sample worker: {text}");
        self.push("INFO", tag, text);
    }

    pub(super) fn warn(&self, tag: &str, text: &str) {
        tracing::warn!(tag, "sample worker: {text}");
        self.push("WARN", tag, text);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().iter().cloned().collect()
    }

    fn push(&self, level: &str, tag: &str, text: &str) {
        let line = format!("[{}] [{level}] [{tag}] {text}", Clock::system().now().to_rfc3339());
        let mut lines = self.0.lock();
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_thousand_lines() {
        let logs = Logs::default();
        for n in 0..1003 {
            logs.info("TEST", &format!("line {n}"));
        }
        let lines = logs.lines();
        assert_eq!(lines.len(), 1000);
        assert!(lines[0].ends_with("Z] [INFO] [TEST] line 3"), "{}", lines[0]);
        assert!(lines[999].ends_with("line 1002"));
    }
}
