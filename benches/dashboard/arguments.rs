//! The command line.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

/// First bytes of pages, and throughput with and without an open one.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// 50 workers, 500 tasks, one short round: shows that everything works, says little about speed.
    #[arg(long)]
    smoke: bool,
    /// Workers, all in one process [default: 2000].
    #[arg(long)]
    workers: Option<u16>,
    /// Tasks that have ended and are kept [default: 100000].
    #[arg(long)]
    tasks: Option<usize>,
    /// How often throughput is measured; the table shows medians [default: 5].
    #[arg(long)]
    rounds: Option<u32>,
    /// How long each of those measurements takes [default: 4].
    #[arg(long)]
    seconds: Option<u32>,
    /// Clients at once, each with one connection and one task at a time.
    #[arg(long, default_value_t = 64)]
    clients: u32,
    /// Where the balancer keeps its tasks (`QUEUE`).
    #[arg(long, default_value = "embedded")]
    queue: String,
    /// Writes the tables to this file too.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// The andera-lb to measure; by default the one that cargo has just built with this bench.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_andera-lb"))]
    pub(crate) binary: PathBuf,
    /// Passed by `cargo bench`, means nothing.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured how often.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) workers: u16,
    pub(crate) tasks: usize,
    pub(crate) queue: String,
    /// How often each page is asked for.
    pub(crate) repeats: usize,
    pub(crate) rounds: u32,
    pub(crate) clients: u32,
    /// Load before each measurement that counts for nothing.
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

impl Arguments {
    pub(crate) fn plan(&self) -> Result<Plan> {
        let by_default = |whole: u32, smoke: u32| if self.smoke { smoke } else { whole };
        let rounds = self.rounds.unwrap_or(by_default(5, 1));
        let seconds = self.seconds.unwrap_or(by_default(4, 1));
        ensure!((1..=100).contains(&rounds), "--rounds must be 1 to 100");
        ensure!((1..=600).contains(&seconds), "--seconds must be 1 to 600");
        ensure!((1..=200).contains(&self.clients), "--clients must be 1 to 200");
        let measured = Duration::from_secs(seconds.into());
        Ok(Plan {
            workers: self.workers.unwrap_or(if self.smoke { 50 } else { 2_000 }),
            tasks: self.tasks.unwrap_or(if self.smoke { 500 } else { 100_000 }),
            queue: self.queue.clone(),
            repeats: if self.smoke { 3 } else { 21 },
            rounds,
            clients: self.clients,
            warm_up: (measured / 4).min(Duration::from_millis(500)),
            measured,
        })
    }

    /// The program and its version.
    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.binary).arg("--version").output();
        output
            .map_or_else(|_| "andera-lb".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
