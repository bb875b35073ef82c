//! Ctrl-C and SIGTERM end a bench in good order.

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a bench to its end, or until it is interrupted: what it has started is dropped then.
pub(crate) async fn to_the_end(bench: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        outcome = bench => outcome,
        outcome = interrupted() => outcome,
    }
}

async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    bail!("interrupted")
}
