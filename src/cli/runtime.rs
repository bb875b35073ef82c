//! Runtimes.

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// A runtime with a thread per core.
pub(super) fn multi_threaded() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().enable_all().thread_name("andera-lb").build().context("cannot start the runtime")
}

/// A runtime on this thread.
pub(super) fn single_threaded() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}
