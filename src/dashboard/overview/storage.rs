//! Whether the queue can keep what it is given.

use std::time::Duration;

use crate::dashboard::live::View;

const PATIENCE: Duration = Duration::from_millis(800);

/// Whether the queue can keep what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) struct Storage {
    /// Bytes that are free on its disk, and all there are; `None` for a queue without a disk of its own.
    pub(super) disk: Option<(u64, u64)>,
    /// Whether it answers, and can be written to.
    pub(super) answers: bool,
}

impl Default for Storage {
    fn default() -> Self {
        Self { disk: None, answers: true }
    }
}

impl Storage {
    /// Looks.
    pub(in crate::dashboard) async fn look(view: &View) -> Self {
        let ping = tokio::time::timeout(PATIENCE, view.dispatcher.queue().ping());
        let answers = matches!(ping.await, Ok(Ok(())));
        let Some(directory) = view.data_dir.clone() else { return Self { disk: None, answers } };
        // A disk of a network may take its time; one that does is asked again later.
        let look = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&directory));
        let disk = match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(Ok(disk))) => Some((disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)),
            _ => None,
        };
        Self { disk, answers }
    }
}
