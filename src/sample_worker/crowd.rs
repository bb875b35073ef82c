//! Thousands of workers in one process, each with ports, slots and a WebSocket of its own.

use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::worker::Machine;
use super::{SampleWorker, WorkerOptions};

/// Open files a worker needs: its two ports, a WebSocket, and connections for health checks and tasks of one balancer.
const FILES_A_WORKER: u64 = 5;
/// Open files of the process itself.
const FILES_BESIDE: u64 = 100;
/// Every worker reports once in that time; a crowd spreads its reports over it.
const ROUND: Duration = Duration::from_secs(1);

/// Workers that differ in their ports only.
#[derive(Debug)]
pub struct Crowd(Vec<SampleWorker>);

impl Crowd {
    /// Opens the ports of `count` workers: any free ones, or from those given on, every second one. Fails if they need more files than
    /// this process may have open.
    pub async fn bind(options: &WorkerOptions, count: u16) -> anyhow::Result<Self> {
        let needed = FILES_BESIDE + FILES_A_WORKER * u64::from(count);
        let (allowed, _) =
            rlimit::getrlimit(rlimit::Resource::NOFILE).context("Cannot read the limit of open files")?;
        anyhow::ensure!(
            count == 1 || allowed >= needed,
            "{count} workers need {needed} open files, and this process may have {allowed}: raise the limit (ulimit -n {needed})"
        );
        let machine = Machine::new().await;
        let mut workers = Vec::with_capacity(usize::from(count));
        for n in 0..count {
            let options = WorkerOptions {
                port: port(options.port, n)?,
                ws_port: port(options.ws_port, n)?,
                phase: ROUND * u32::from(n) / u32::from(count),
                ..options.clone()
            };
            workers.push(SampleWorker::bind_on(options, &machine).await?);
        }
        Ok(Self(workers))
    }

    /// The workers.
    pub fn workers(&self) -> &[SampleWorker] {
        &self.0
    }

    /// Runs them until `shutdown`, as [`SampleWorker::run`] does with one.
    pub async fn run(self, shutdown: CancellationToken) {
        let running = TaskTracker::new();
        let stop = CancellationToken::new();
        let _stop_all = stop.clone().drop_guard();
        for worker in self.0 {
            // Tasks `sample worker`: dropping the future of this function ends them, too.
            let (stop, shutdown) = (stop.clone(), shutdown.child_token());
            running.spawn(async move { stop.run_until_cancelled(worker.run(shutdown)).await });
        }
        running.close();
        running.wait().await;
    }
}

fn port(first: u16, n: u16) -> anyhow::Result<u16> {
    let port = match first {
        0 => Some(0),
        first => n.checked_mul(2).and_then(|step| first.checked_add(step)),
    };
    port.with_context(|| format!("There are not enough ports from {first} on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_port_is_a_workers() {
        assert_eq!([0, 1, 2].map(|n| port(3000, n).unwrap()), [3000, 3002, 3004]);
        assert_eq!([0, 9].map(|n| port(0, n).unwrap()), [0, 0]);
        assert!(port(65_000, 1_000).is_err());
    }
}
