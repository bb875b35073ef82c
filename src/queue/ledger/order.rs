//! Where a task stands in its lane.

use crate::task::Priority;

/// Bits for the place among equals: 4 × 10¹² tasks a lane. The priority has the 22 above them.
const SEQUENCE_BITS: u32 = 42;

/// Where a task stands in its lane; less goes first: no priority, then 1, 2, …; among equals by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::queue) struct Order(u64);

impl Order {
    pub(in crate::queue) fn new(priority: Option<Priority>, sequence: u64) -> Self {
        Self(u64::from(Priority::rank(priority)) << SEQUENCE_BITS | sequence & ((1 << SEQUENCE_BITS) - 1))
    }

    pub(in crate::queue) fn priority(self) -> Option<Priority> {
        u32::try_from(self.0 >> SEQUENCE_BITS).ok().and_then(Priority::new)
    }

    /// The place among equals.
    pub(in crate::queue) const fn sequence(self) -> u64 {
        self.0 & ((1 << SEQUENCE_BITS) - 1)
    }

    /// The end of its equals: behind all of them, before whoever comes after them.
    pub(in crate::queue) const fn last_of_equals(self) -> Self {
        Self(self.0 | ((1 << SEQUENCE_BITS) - 1))
    }

    /// The same place among other equals.
    pub(in crate::queue) fn with_priority(self, priority: Option<Priority>) -> Self {
        Self::new(priority, self.sequence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_counts_before_arrival_and_none_before_any() {
        let order = |priority, sequence| Order::new(Priority::new(priority), sequence);
        let sorted = [
            order(0, 0),
            order(0, (1 << SEQUENCE_BITS) - 1),
            order(1, 0),
            order(1, 7),
            order(2, 3),
            order(Priority::MAX, 0),
        ];
        assert!(sorted.is_sorted());
        assert_eq!(order(Priority::MAX, 9).priority(), Priority::new(Priority::MAX));
        assert_eq!((order(0, 9).priority(), order(0, 9).sequence()), (None, 9));
        assert_eq!(order(5, 9).with_priority(None), order(0, 9));
    }
}
