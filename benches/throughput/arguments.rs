//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

use crate::contests::Contest;
use crate::worker::WorkerArguments;

/// The longest measurement that the generator keeps every latency of.
const MAX_SECONDS: f64 = 600.0;
/// More than the fast worker has slots for would wait.
const MAX_CLIENTS: u32 = 1_000;

/// The balancer in all its ways beside nginx and a worker asked directly, with many workers, lanes, waiting tasks and clients.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// What this program is started as by itself.
    #[command(subcommand)]
    pub(crate) program: Option<Program>,
    /// Everything once, tiny: shows that it works, says nothing about speed.
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Measures these alone.
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Contest>,
    /// How often each measurement is repeated; the tables show medians [default: 5].
    #[arg(long)]
    rounds: Option<u32>,
    /// How long each measurement takes [default: 3].
    #[arg(long)]
    seconds: Option<f64>,
    /// Clients at once, each with one connection and one task at a time, where proxies are compared.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,512")]
    clients: Vec<u32>,
    /// Measures balancers with these queues (`QUEUE`) beside each other, nothing else: for instance memory,embedded. The first is
    /// what the others are compared with.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["nginx", "only"])]
    pub(crate) queues: Vec<String>,
    /// The same with policies (`POLICY`, or a file), the queue in memory: for instance native:least-loaded,policies/dist/sticky.wasm.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["nginx", "only", "queues"])]
    pub(crate) policies: Vec<String>,
    /// Writes the report to this file too.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// The andera-lb to measure; by default the one that cargo has just built with this bench.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_andera-lb"))]
    pub(crate) binary: PathBuf,
    /// The nginx to compare with; by default the installed one.
    #[arg(long)]
    pub(crate) nginx: Option<PathBuf>,
    /// The WebAssembly policy to compare the native one with.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/dist/sticky.wasm"))]
    pub(crate) policy: PathBuf,
    /// Passed by `cargo bench`, means nothing.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What this program also is, in a process of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Program {
    /// Workers that do nothing but answer.
    #[command(hide = true)]
    Worker(WorkerArguments),
}

/// What is measured how often, and how large it is.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) contests: Vec<Contest>,
    pub(crate) rounds: u32,
    /// Where proxies are compared.
    pub(crate) clients: Vec<u32>,
    /// Load before each measurement that counts for nothing.
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) scale: Scale,
}

/// How large things are.
#[derive(Debug)]
pub(crate) struct Scale {
    /// Workers of one lane: one, some, many.
    pub(crate) workers: [u32; 3],
    /// Workers that are in one lane, or in one each.
    pub(crate) lanes: u32,
    /// Tasks that wait.
    pub(crate) backlog: usize,
    /// Clients that keep their connection and send nothing.
    pub(crate) idle_clients: usize,
    /// Starts that are timed.
    pub(crate) starts: usize,
    /// How long what is new may take to come to rest: connections to every worker are opened, for instance.
    pub(crate) settling: Duration,
    /// How long a balancer with nothing to do is looked at, and how often.
    pub(crate) idle: (Duration, u32),
}

const FULL: Scale = Scale {
    workers: [1, 100, 2_000],
    lanes: 1_000,
    backlog: 1_000_000,
    idle_clients: 10_000,
    starts: 10,
    settling: Duration::from_secs(3),
    idle: (Duration::from_secs(10), 3),
};
const SMOKE: Scale = Scale {
    workers: [1, 10, 50],
    lanes: 25,
    backlog: 5_000,
    idle_clients: 200,
    starts: 2,
    settling: Duration::from_millis(200),
    idle: (Duration::from_secs(1), 1),
};

impl Arguments {
    pub(crate) fn plan(&self) -> Result<Plan> {
        let rounds = self.rounds.unwrap_or(if self.smoke { 1 } else { 5 });
        let seconds = self.seconds.unwrap_or(if self.smoke { 0.3 } else { 3.0 });
        ensure!((1..=100).contains(&rounds), "--rounds must be 1 to 100");
        ensure!((0.1..=MAX_SECONDS).contains(&seconds), "--seconds must be 0.1 to {MAX_SECONDS}");
        ensure!(
            self.clients.iter().all(|clients| (1..=MAX_CLIENTS).contains(clients)),
            "--clients must be 1 to {MAX_CLIENTS} each"
        );
        let measured = Duration::from_secs_f64(seconds);
        Ok(Plan {
            contests: if self.only.is_empty() { Contest::ALL.to_vec() } else { self.only.clone() },
            rounds,
            clients: self.clients.clone(),
            warm_up: (measured / 4).min(Duration::from_millis(500)),
            measured,
            scale: if self.smoke { SMOKE } else { FULL },
        })
    }
}
