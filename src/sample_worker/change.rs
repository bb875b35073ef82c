//! A flag that many raise and one waits for.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Raising a raised flag costs one atomic read and write, however often it happens between two looks.
#[derive(Debug, Default)]
pub(super) struct Change {
    raised: AtomicBool,
    notify: Notify,
}

impl Change {
    /// Says that something has changed. What has changed must be in place already.
    pub(super) fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            self.notify.notify_one();
        }
    }

    /// Waits for the flag. For one waiter.
    pub(super) async fn raised(&self) {
        self.notify.notified().await;
    }

    /// Lowers the flag. What has changed must be looked at after this.
    pub(super) fn lower(&self) {
        self.raised.swap(false, Ordering::AcqRel);
    }
}
