//! How the sample worker is started.

use std::path::Path;
use std::process::Command;

use crate::programs::{BALANCER_KEY, WORKER_KEY};

/// The sample worker of lane `bench/1`; ports and slots are to be added.
pub(crate) fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["worker", "--group", "bench", "--contract", "1"])
        .args(["--auth-key", WORKER_KEY, "--lb-auth-key", BALANCER_KEY])
        .env("LOG_LEVEL", "warn");
    command
}
