//! When the next task falls due.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::task::Timestamp;

/// The earliest moment at which something is to be done; moments may only be moved up until the clock has been cleared.
#[derive(Debug)]
pub(in crate::queue) struct Alarm {
    at: AtomicI64,
    moved: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { at: AtomicI64::new(i64::MAX), moved: Notify::new() }
    }
}

impl Alarm {
    /// Makes sure the alarm goes off at `at` or earlier.
    pub(in crate::queue) fn set(&self, at: Timestamp) {
        if self.at.fetch_min(at.as_millis(), Ordering::AcqRel) > at.as_millis() {
            self.moved.notify_one();
        }
    }

    pub(in crate::queue) fn next(&self) -> Option<Timestamp> {
        let at = self.at.load(Ordering::Acquire);
        (at != i64::MAX).then(|| Timestamp::from_millis(at))
    }

    /// Forgets the moment; whoever clears looks at everything afterwards and sets it anew.
    pub(in crate::queue) fn clear(&self) {
        self.at.store(i64::MAX, Ordering::Release);
    }

    pub(in crate::queue) async fn moved_up(&self) {
        self.moved.notified().await;
    }
}
