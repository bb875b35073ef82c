//! The tasks of a lane that were told to wait.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::queue::MAX_SKIPPED;
use crate::task::{Priority, TaskId, TaskSpec};
use crate::workers::Exclusion;

/// The least time between two rounds of asking.
pub(super) const ROUND_PAUSE: Duration = Duration::from_millis(10);

/// What must be known of a task to rank it without a claim.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    pub(super) spec: Arc<TaskSpec>,
    pub(super) priority: Option<Priority>,
    pub(super) attempts: u32,
    pub(super) excluded: Option<Exclusion>,
}

/// The tasks of a lane that were told to wait, in their order of going aside.
#[derive(Debug, Default)]
pub(super) struct Aside {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiters: Vec<Waiter>,
    /// When the last round began.
    asked: Option<Instant>,
    /// A slot came free since then, or something else that may change an answer.
    changed: bool,
}

impl Aside {
    /// Sets a task aside. `false` if there are [`MAX_SKIPPED`] already: then the lane rests.
    pub(super) fn push(&self, waiter: Waiter) -> bool {
        let mut inner = self.inner.lock();
        if inner.waiters.iter().any(|other| other.spec.id == waiter.spec.id) {
            return true;
        }
        if inner.waiters.len() >= MAX_SKIPPED {
            return false;
        }
        inner.asked.get_or_insert_with(Instant::now);
        inner.waiters.push(waiter);
        true
    }

    pub(super) fn remove(&self, id: TaskId) {
        self.inner.lock().waiters.retain(|waiter| waiter.spec.id != id);
    }

    pub(super) fn holds(&self, id: TaskId) -> bool {
        self.inner.lock().waiters.iter().any(|waiter| waiter.spec.id == id)
    }

    /// A task's priority has changed: if it is aside, it is asked for again with the new one.
    pub(super) fn reprioritized(&self, id: TaskId, priority: Option<Priority>) {
        let mut inner = self.inner.lock();
        if let Some(waiter) = inner.waiters.iter_mut().find(|waiter| waiter.spec.id == id) {
            waiter.priority = priority;
            inner.changed = true;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner.lock().waiters.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.inner.lock().waiters.len() >= MAX_SKIPPED
    }

    /// The tasks a claim passes over.
    pub(super) fn ids(&self) -> SmallVec<[TaskId; 4]> {
        self.inner.lock().waiters.iter().map(|waiter| waiter.spec.id).collect()
    }

    /// Something happened that may change a policy's mind.
    pub(super) fn changed(&self) {
        self.inner.lock().changed = true;
    }

    /// When the next round is due; `None` while nobody is aside.
    pub(super) fn next_round(&self, wait: Duration) -> Option<Instant> {
        let inner = self.inner.lock();
        if inner.waiters.is_empty() {
            return None;
        }
        let pause = if inner.changed { ROUND_PAUSE } else { wait };
        Some(inner.asked.map_or_else(Instant::now, |asked| asked + pause))
    }

    /// Begins a round: the tasks to ask for, in their order.
    pub(super) fn begin_round(&self) -> Vec<Waiter> {
        let mut inner = self.inner.lock();
        inner.asked = Some(Instant::now());
        inner.changed = false;
        inner.waiters.clone()
    }
}
