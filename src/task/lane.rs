//! Lanes.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Contract, number_of};

/// A lane: all tasks of one group under one contract. Lanes are independent of each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LaneKey {
    /// The worker group.
    pub group: Arc<str>,
    /// The contract version.
    pub contract: Contract,
}

impl LaneKey {
    /// The lane of `group` under `contract`.
    pub fn new(group: impl Into<Arc<str>>, contract: Contract) -> Self {
        Self { group: group.into(), contract }
    }

    /// The number by which policies know it: the same in every balancer.
    pub fn number(&self) -> u32 {
        number_of(&self.to_string())
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.contract)
    }
}
