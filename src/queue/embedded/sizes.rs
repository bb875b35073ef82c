//! How large things are.

/// How large a file of the log is.
pub(super) const SEGMENT: u64 = 64 << 20;

/// How large things are. Tests have smaller ones, to get to the same places with less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// A file of the log.
    pub(super) segment: u64,
    /// How much more than twice what is of use the log may be, before what is of use is copied to its end.
    pub(super) slack: u64,
    /// How many bytes are looked at between two batches when that is done: nobody who waits for a write is held up for long.
    pub(super) step: u64,
    /// What the tasks that run when the disk fills up may need: their ends, and the copies that free old files.
    pub(super) reserve: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { segment: SEGMENT, slack: 256 << 20, step: 1 << 20, reserve: 32 << 20 }
    }
}
