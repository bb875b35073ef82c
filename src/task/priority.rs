//! Priorities, as in `BullMQ`.

use serde::{Deserialize, Serialize};

/// A priority from 1 (first) to 2 097 152 (last). A task *without* one goes before every task with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(u32);

impl Priority {
    /// The last priority: `BullMQ` keeps 21 bits for it.
    pub const MAX: u32 = 2_097_152;

    /// The priority of that number; `None` outside 1 to [`Self::MAX`].
    pub fn new(number: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Where a task stands in its lane: 0 without a priority, else the priority. Lower goes first.
    pub fn rank(priority: Option<Self>) -> u32 {
        priority.map_or(0, Self::get)
    }
}
