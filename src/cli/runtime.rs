//! Runtimes.

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// A runtime with a thread per core. Every worker and every client takes a file descriptor or two: as many are allowed as the
/// machine lets this process have.
pub(super) fn multi_threaded() -> anyhow::Result<Runtime> {
    // A limit that cannot be raised is the operator's will.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    Builder::new_multi_thread().enable_all().thread_name("andera-lb").build().context("cannot start the runtime")
}

/// A runtime on this thread.
pub(super) fn single_threaded() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}
