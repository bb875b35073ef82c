//! A Redis of the bench's own, without persistence.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::child::Child;

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A Redis; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) process: Child,
    pub(crate) url: String,
}

impl Redis {
    /// Starts it on that port, with its files in `folder`.
    pub(crate) async fn start(folder: &Path, port: u16) -> Result<Self> {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let mut process = Child::start("redis", &mut command, folder)
            .context("redis-server is needed (Debian: `apt-get install redis-server`)")?;
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            process.ensure_running()?;
            ensure!(Instant::now() < deadline, "Redis does not listen:\n{}", process.last_output());
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, url: format!("redis://127.0.0.1:{port}") })
    }
}
