//! Candidates as rows.

use std::ops::Range;

use crate::ranking::Candidates;

/// One candidate: a view into the columns, nothing is copied.
///
/// Signals are what the worker reports: be ready for zero, for very large numbers, and for NaN and infinities.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a Candidates,
    at: usize,
}

/// The rows of [`Candidates`], first to last.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    columns: &'a Candidates,
    range: Range<usize>,
}

impl Candidates {
    /// How many there are: at least one.
    pub fn len(&self) -> usize {
        self.worker.len()
    }

    /// Never so when the balancer asks.
    pub fn is_empty(&self) -> bool {
        self.worker.is_empty()
    }

    /// One after the other.
    pub fn rows(&self) -> Rows<'_> {
        Rows { columns: self, range: 0..self.len() }
    }

    /// The row of that number.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub fn row(&self, index: u32) -> Row<'_> {
        let at = index as usize;
        assert!(at < self.len(), "row {index} of {}", self.len());
        Row { columns: self, at }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    #[inline]
    fn next(&mut self) -> Option<Row<'a>> {
        self.range.next().map(|at| Row { columns: self.columns, at })
    }

    #[inline]
    fn nth(&mut self, count: usize) -> Option<Self::Item> {
        self.range.nth(count).map(|at| Row { columns: self.columns, at })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl DoubleEndedIterator for Rows<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.range.next_back().map(|at| Row { columns: self.columns, at })
    }
}

impl ExactSizeIterator for Rows<'_> {}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        $($(#[$doc])* #[inline] pub fn $name(&self) -> $type { self.columns.$name[self.at] })*
    };
}

impl Row<'_> {
    /// The number that `rank` answers with.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "rows are numbered by u32")]
    pub fn index(&self) -> u32 {
        self.at as u32
    }

    getters! {
        /// The worker's id.
        worker: u32;
        /// How many tasks it takes at once.
        slots: u32;
        /// Slots that are busy, by whoever.
        used: u32;
        /// Tasks of this balancer that run there.
        in_flight: u32;
        /// Tasks that wait within the worker.
        queue: u32;
        /// CPU load: 0 is idle, 1 busy, above 1 overloaded.
        cpu: f32;
        /// Memory in use, 0 to 100 percent.
        memory: f32;
        /// Milliseconds since its last report.
        report_age_ms: u32;
        /// Average latency of its answers in milliseconds; 0 while none is known.
        latency_ms: f32;
        /// Share of its attempts that failed lately, 0 to 1.
        failure_rate: f32;
        /// Its weight, 1 unless it has one.
        weight: f32;
    }

    /// Slots that are free.
    #[inline]
    pub fn free(&self) -> u32 {
        self.slots().saturating_sub(self.used())
    }

    /// How much it can take beside others: slots by weight. Never zero, never NaN.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
    pub fn capacity(&self) -> f32 {
        let capacity = self.slots() as f32 * self.weight();
        if capacity > f32::MIN_POSITIVE && capacity.is_finite() { capacity } else { 1.0 }
    }

    /// What it has to do for each unit of [`capacity`](Self::capacity): slots in use and tasks that wait within it.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
    pub fn load(&self) -> f32 {
        (self.used() as f32 + self.queue() as f32) / self.capacity()
    }
}
