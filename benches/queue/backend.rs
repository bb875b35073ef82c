//! The queues measured.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use andera_lb::config::{Durability, Settings};
use andera_lb::queue::{EmbeddedQueue, MemoryQueue, QueueLimits, Sealer, TaskQueue};
use andera_lb::task::Clock;
use anyhow::Result;
use clap::ValueEnum;

/// The ended tasks that are kept: enough for the work that retention makes, few enough to weigh little beside those that wait.
pub(crate) const KEPT: u64 = 10_000;

/// A queue to measure, in the words of `QUEUE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    Memory,
    Embedded,
}

impl Backend {
    /// The word on the command line and in the tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Embedded => "embedded",
        }
    }

    /// Whether its tasks outlive their process.
    pub(crate) const fn recovers(self) -> bool {
        match self {
            Self::Memory => false,
            Self::Embedded => true,
        }
    }

    /// Opens the queue whose files are in `folder`, empty if there are none.
    pub(crate) async fn open(self, folder: &Path) -> Result<Arc<dyn TaskQueue>> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryQueue::new(limits(), Clock::system())),
            Self::Embedded => {
                let settings = Settings::from_pairs([("LB_AUTH_KEY", "bench")]);
                let settings = settings.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
                let (sealer, folder) = (Sealer::new(&settings.auth)?, folder.to_owned());
                let open = move || EmbeddedQueue::open(&folder, limits(), Clock::system(), sealer, Durability::System);
                Arc::new(tokio::task::spawn_blocking(open).await??)
            }
        })
    }
}

fn limits() -> QueueLimits {
    QueueLimits {
        max_waiting: u64::MAX,
        max_interruptions: 10,
        retention: Duration::from_hours(1),
        retention_count: KEPT,
        retention_bytes: 1 << 30,
    }
}
