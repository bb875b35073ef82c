//! Which ended tasks are kept.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::lane::{Ended, Lane};
use crate::queue::QueueLimits;
use crate::task::{TaskId, Timestamp};

/// The ended tasks, oldest ending first.
#[derive(Debug, Default)]
pub(super) struct History {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ended: VecDeque<Kept>,
    bytes: u64,
}

#[derive(Debug)]
struct Kept {
    task: TaskId,
    lane: Arc<Lane>,
    at: Timestamp,
    bytes: u64,
}

impl History {
    pub(super) fn add(&self, lane: &Arc<Lane>, ended: &Ended) {
        let mut inner = self.inner.lock();
        inner.bytes += ended.bytes;
        inner.ended.push_back(Kept { task: ended.task, lane: Arc::clone(lane), at: ended.at, bytes: ended.bytes });
    }

    /// Takes out tasks that were forgotten for another reason, so that they take nobody's place.
    pub(super) fn remove(&self, forgotten: &HashSet<TaskId>) {
        if forgotten.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        inner.ended.retain(|kept| !forgotten.contains(&kept.task));
        inner.bytes = inner.ended.iter().map(|kept| kept.bytes).sum();
    }

    /// Takes out the oldest task if the limits leave no room for it.
    pub(super) fn pop_excess(&self, limits: &QueueLimits, now: Timestamp) -> Option<(Arc<Lane>, TaskId)> {
        let mut inner = self.inner.lock();
        let excess = inner.ended.len() as u64 > limits.retention_count || inner.bytes > limits.retention_bytes;
        let oldest = inner.ended.front()?;
        if !excess && now.since(oldest.at) < limits.retention {
            return None;
        }
        let oldest = inner.ended.pop_front()?;
        inner.bytes -= oldest.bytes;
        Some((oldest.lane, oldest.task))
    }
}
