//! Ctrl-C and SIGTERM end a bench in good order.

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// Fails once the bench is to end.
pub(crate) async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    anyhow::bail!("interrupted")
}
