//! What a policy may use.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::config::PolicySettings;

/// The largest file that is read.
pub(super) const FILE_BYTES: usize = 64 << 20;
/// Stack of a call.
pub(super) const STACK_BYTES: usize = 512 << 10;
/// What one call may hand to the host: answers, lines of the log.
pub(super) const OUTPUT_BYTES: usize = 1 << 20;
/// Handles to resources; nothing here makes any.
pub(super) const HANDLES: usize = 1_000;
/// Of one store. A component is made of several core instances; interpreters come in dozens of them.
const INSTANCES: usize = 256;
const TABLES: usize = 256;
const MEMORIES: usize = 16;
/// Entries of all tables together. JavaScript engines need 20,000.
const TABLE_ENTRIES: usize = 200_000;

/// The limits of a policy that a user may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyLimits {
    /// Of one decision.
    pub deadline: Duration,
    /// Of instantiation, of each call that sets up, and of each call that tries the policy out.
    pub load_deadline: Duration,
    /// Of all memories of an instance together, in bytes.
    pub memory: usize,
}

/// The policy wanted more than it may have.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it wants more than the {limit} {what} it may have")]
pub(super) struct LimitReached {
    what: &'static str,
    limit: usize,
}

/// Counts what one store uses.
#[derive(Debug)]
pub(super) struct Usage {
    memory_limit: usize,
    memory: usize,
    table_entries: usize,
}

impl From<&PolicySettings> for PolicyLimits {
    fn from(settings: &PolicySettings) -> Self {
        Self { deadline: settings.deadline, load_deadline: settings.load_deadline, memory: settings.memory_mb << 20 }
    }
}

impl Usage {
    pub(super) fn new(limits: &PolicyLimits) -> Self {
        Self { memory_limit: limits.memory, memory: 0, table_entries: 0 }
    }

    /// Bytes of all memories together.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Usage {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = (self.memory - current.min(self.memory)).saturating_add(desired);
        if total > self.memory_limit {
            // An error traps: clearer than whatever a guest does when it is told that there is no memory.
            return Err(LimitReached { what: "bytes of memory", limit: self.memory_limit }.into());
        }
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = (self.table_entries - current.min(self.table_entries)).saturating_add(desired);
        if total > TABLE_ENTRIES {
            return Err(LimitReached { what: "table entries", limit: TABLE_ENTRIES }.into());
        }
        self.table_entries = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
