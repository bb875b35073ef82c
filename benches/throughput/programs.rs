//! How the programs that are measured are started.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub(crate) const WORKER_KEY: &str = "bench-worker-key";
pub(crate) const BALANCER_KEY: &str = "bench-balancer-key";

/// A balancer on that address, with the list `workers.json`; its queue is to be added.
pub(crate) fn balancer(binary: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .env("LB_AUTH_KEY", BALANCER_KEY)
        .env("HOST", address.ip().to_string())
        .env("PORT", address.port().to_string())
        .env("WORKERS_FILE", "workers.json")
        .env("LOG_LEVEL", "warn");
    command
}
