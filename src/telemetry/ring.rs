//! The last log lines.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

/// The last log lines, for `GET /logs`. Clones share them.
#[derive(Clone, Debug)]
pub struct LogRing(Arc<Ring>);

#[derive(Debug)]
struct Ring {
    capacity: usize,
    lines: Mutex<VecDeque<Arc<str>>>,
}

impl LogRing {
    /// A ring that keeps the last `capacity` lines, none if that is 0.
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Ring { capacity, lines: Mutex::default() }))
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> Vec<String> {
        // Only pointers are copied under the lock that every log line needs.
        let lines: Vec<Arc<str>> = self.0.lines.lock().iter().cloned().collect();
        lines.iter().map(ToString::to_string).collect()
    }

    pub(super) fn push(&self, line: Arc<str>) {
        let mut lines = self.0.lines.lock();
        lines.push_back(line);
        // What is pushed out is freed after the lock is released.
        let _oldest = if lines.len() > self.0.capacity { lines.pop_front() } else { None };
        drop(lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(capacity: usize, lines: usize) -> Vec<String> {
        let ring = LogRing::new(capacity);
        (1..=lines).for_each(|n| ring.push(n.to_string().into()));
        ring.lines()
    }

    #[test]
    fn keeps_the_last_lines_oldest_first() {
        assert_eq!(filled(3, 2), ["1", "2"]);
        assert_eq!(filled(3, 5), ["3", "4", "5"]);
    }

    #[test]
    fn a_ring_without_room_keeps_nothing() {
        assert_eq!(filled(0, 5), [] as [&str; 0]);
    }
}
