//! Where pages hear of what the sampler has found.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::fallbacks::Fallbacks;
use super::frame::Frame;
use super::history::History;
use super::lanes::LaneHistory;

/// Frames that a slow page may be behind before it gets a snapshot instead.
const BEHIND: usize = 8;
/// A snapshot that old is still good.
const FRESH: Duration = Duration::from_millis(900);

/// Where pages hear of what the sampler has found.
#[derive(Debug)]
pub(in crate::dashboard) struct Hub {
    frames: broadcast::Sender<Frame>,
    pub(super) history: Mutex<History>,
    pub(in crate::dashboard) lanes: Mutex<LaneHistory>,
    pub(super) fallbacks: Mutex<Fallbacks>,
    /// Held by whoever makes one, so that the others wait for it instead of making their own.
    snapshot: tokio::sync::Mutex<Option<(Instant, Arc<Frame>)>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            frames: broadcast::Sender::new(BEHIND),
            history: Mutex::default(),
            lanes: Mutex::default(),
            fallbacks: Mutex::default(),
            snapshot: tokio::sync::Mutex::default(),
        }
    }
}

impl Hub {
    pub(super) fn listen(&self) -> broadcast::Receiver<Frame> {
        self.frames.subscribe()
    }

    /// How many pages listen.
    pub(super) fn listeners(&self) -> usize {
        self.frames.receiver_count()
    }

    pub(super) fn tell(&self, frame: Frame) {
        // Nobody listening is no error.
        let _ = self.frames.send(frame);
    }

    /// Everything there is to tell, for a page that opens; `make` is asked at most about once a second.
    pub(super) async fn snapshot(&self, make: impl AsyncFnOnce() -> Frame) -> Arc<Frame> {
        let mut kept = self.snapshot.lock().await;
        if let Some((at, frame)) = &*kept
            && at.elapsed() < FRESH
        {
            return Arc::clone(frame);
        }
        let frame = Arc::new(make().await);
        *kept = Some((Instant::now(), Arc::clone(&frame)));
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_made_once_for_all_who_come_at_about_the_same_time() {
        let hub = Hub::default();
        let count = Mutex::new(0);
        let make = async || {
            *count.lock() += 1;
            tokio::task::yield_now().await;
            Frame::default()
        };
        tokio::join!(hub.snapshot(make), hub.snapshot(make));
        hub.snapshot(make).await;
        assert_eq!(*count.lock(), 1);
        tokio::time::advance(FRESH).await;
        hub.snapshot(make).await;
        assert_eq!(*count.lock(), 2);
    }
}
