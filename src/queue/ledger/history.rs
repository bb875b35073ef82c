//! Which ended tasks are kept.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::lane::Ended;
use super::store::EntryRef;
use crate::queue::QueueLimits;
use crate::task::{TaskId, Timestamp};

/// The ended tasks, oldest ending first.
#[derive(Debug, Default)]
pub(super) struct History {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ended: BTreeMap<(Timestamp, TaskId), Kept>,
    bytes: u64,
}

#[derive(Debug)]
struct Kept {
    entry: EntryRef,
    bytes: u64,
}

impl History {
    pub(super) fn add(&self, entry: EntryRef, ended: &Ended) {
        let mut inner = self.inner.lock();
        let kept = Kept { entry, bytes: ended.bytes };
        let replaced = inner.ended.insert((ended.at, ended.task), kept);
        inner.bytes = inner.bytes + ended.bytes - replaced.map_or(0, |replaced| replaced.bytes);
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.inner.lock().ended.len() as u64
    }

    /// Takes out a task that is no ended one any more.
    pub(super) fn remove(&self, task: TaskId, ended_at: Timestamp) {
        let mut inner = self.inner.lock();
        if let Some(removed) = inner.ended.remove(&(ended_at, task)) {
            inner.bytes -= removed.bytes;
        }
    }

    /// Takes out the oldest task if the limits leave no room for it; says when it ended.
    pub(super) fn pop_excess(&self, limits: &QueueLimits, now: Timestamp) -> Option<(EntryRef, TaskId, Timestamp)> {
        let mut inner = self.inner.lock();
        let excess = inner.ended.len() as u64 > limits.retention_count || inner.bytes > limits.retention_bytes;
        let (oldest, _) = inner.ended.first_key_value()?;
        if !excess && now.since(oldest.0) < limits.retention {
            return None;
        }
        let ((at, task), oldest) = inner.ended.pop_first()?;
        inner.bytes -= oldest.bytes;
        Some((oldest.entry, task, at))
    }
}
