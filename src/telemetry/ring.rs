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
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Arc<str>>,
    /// How many there were before those that are kept.
    dropped: u64,
}

impl LogRing {
    /// A ring that keeps the last `capacity` lines, none if that is 0.
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Ring { capacity, lines: Mutex::default() }))
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> Vec<String> {
        // Only pointers are copied under the lock that every log line needs.
        let (lines, _) = self.since(0);
        lines.iter().map(ToString::to_string).collect()
    }

    /// The lines that are kept of those after the first `seen` ever logged, oldest first, and how many there were by now.
    pub fn since(&self, seen: u64) -> (Vec<Arc<str>>, u64) {
        let lines = self.0.lines.lock();
        let skip = usize::try_from(seen.saturating_sub(lines.dropped)).unwrap_or(usize::MAX);
        (lines.kept.iter().skip(skip).cloned().collect(), lines.dropped + lines.kept.len() as u64)
    }

    pub(super) fn push(&self, line: Arc<str>) {
        let mut lines = self.0.lines.lock();
        lines.kept.push_back(line);
        // What is pushed out is freed after the lock is released.
        let _oldest = if lines.kept.len() > self.0.capacity {
            lines.dropped += 1;
            lines.kept.pop_front()
        } else {
            None
        };
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
    fn whoever_has_seen_some_gets_the_rest() {
        let ring = LogRing::new(3);
        let push = |lines: &[&str]| lines.iter().for_each(|line| ring.push((*line).into()));
        let texts =
            |(lines, seen): (Vec<Arc<str>>, u64)| (lines.iter().map(ToString::to_string).collect::<Vec<_>>(), seen);
        push(&["1", "2"]);
        assert_eq!(texts(ring.since(1)), (vec!["2".to_owned()], 2));
        push(&["3", "4", "5"]);
        assert_eq!(texts(ring.since(4)), (vec!["5".to_owned()], 5));
        assert_eq!(ring.since(0).0.len(), 3);
        assert_eq!(texts(ring.since(5)), (vec![], 5));
    }

    #[test]
    fn a_ring_without_room_keeps_nothing() {
        assert_eq!(filled(0, 5), [] as [&str; 0]);
    }
}
