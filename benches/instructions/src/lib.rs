//! What the counting and the comparing of instructions have in common.

/// How often a bench does what it measures: what is counted is divided by that.
pub const TIMES: u32 = 100;
