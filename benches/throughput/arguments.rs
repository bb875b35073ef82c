//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

/// The longest measurement that the generator keeps every latency of.
const MAX_SECONDS: u32 = 600;

/// Throughput and CPU per task: the worker alone, behind nginx, behind the balancer.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// One round of one second: shows that everything works, says little about speed.
    #[arg(long)]
    quick: bool,
    /// How often each measurement is repeated; the table shows medians [default: 5].
    #[arg(long)]
    rounds: Option<u32>,
    /// How long each measurement takes [default: 3].
    #[arg(long)]
    seconds: Option<u32>,
    /// Clients at once, each with one connection and one task at a time.
    #[arg(long, value_delimiter = ',', default_value = "1,64")]
    clients: Vec<u32>,
    /// Measures balancers with these queues (`QUEUE`) beside each other, nothing else: for instance memory,embedded. The first is
    /// what the others are compared with.
    #[arg(long, value_delimiter = ',', conflicts_with = "nginx")]
    pub(crate) queues: Vec<String>,
    /// The same with policies (`POLICY`, or a file), the queue in memory: for instance native:least-loaded,policies/dist/sticky.wasm.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["nginx", "queues"])]
    pub(crate) policies: Vec<String>,
    /// Writes the table to this file too.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// The andera-lb to measure; by default the one that cargo has just built with this bench.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_andera-lb"))]
    pub(crate) binary: PathBuf,
    /// The nginx to compare with; by default the installed one.
    #[arg(long)]
    pub(crate) nginx: Option<PathBuf>,
    /// Passed by `cargo bench`, means nothing.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured how often.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) clients: Vec<u32>,
    /// Load before each measurement that counts for nothing.
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

impl Arguments {
    pub(crate) fn plan(&self) -> Result<Plan> {
        let rounds = self.rounds.unwrap_or(if self.quick { 1 } else { 5 });
        let seconds = self.seconds.unwrap_or(if self.quick { 1 } else { 3 });
        ensure!((1..=100).contains(&rounds), "--rounds must be 1 to 100");
        ensure!((1..=MAX_SECONDS).contains(&seconds), "--seconds must be 1 to {MAX_SECONDS}");
        ensure!(self.clients.iter().all(|clients| (1..=200).contains(clients)), "--clients must be 1 to 200 each");
        let measured = Duration::from_secs(seconds.into());
        Ok(Plan {
            rounds,
            clients: self.clients.clone(),
            warm_up: (measured / 4).min(Duration::from_millis(500)),
            measured,
        })
    }
}
