//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::backend::Backend;
use crate::case::{Case, Place};

/// Writes a second, memory, disk and recovery of the queues.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// One short round of small queues: shows that everything works, says nothing about speed.
    #[arg(long)]
    smoke: bool,
    /// How often each measurement is repeated; the tables show medians [default: 3].
    #[arg(long)]
    rounds: Option<u32>,
    /// How long each measurement takes, in milliseconds [default: 3000].
    #[arg(long)]
    millis: Option<u32>,
    /// How many tasks wait [default: 0,100000,1000000].
    #[arg(long, value_delimiter = ',')]
    queued: Option<Vec<u64>>,
    /// The queues to measure [default: all].
    #[arg(long, value_delimiter = ',')]
    queues: Option<Vec<Backend>>,
    /// Producers at once, each with one write at a time.
    #[arg(long, default_value_t = 64)]
    producers: u16,
    /// Where the queues may keep their files; by default the system's temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Writes the tables to this file too.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Passed by `cargo bench`, means nothing.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    pub(crate) step: Option<Step>,
}

/// What a process of the bench's own does.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
pub(crate) enum Step {
    /// Fills a queue, measures it, tells its figures, and goes on with the load until it is killed.
    Measure(StepArguments),
    /// Opens a queue that is there, and tells how long that took and what was found.
    Reopen(StepArguments),
}

/// A step's case.
#[derive(Debug, Args)]
pub(crate) struct StepArguments {
    #[arg(long)]
    pub(crate) queue: Backend,
    #[arg(long)]
    pub(crate) queued: u64,
    #[arg(long)]
    pub(crate) place: Place,
    #[arg(long)]
    pub(crate) producers: u16,
    #[arg(long)]
    pub(crate) millis: u64,
    #[arg(long)]
    pub(crate) folder: PathBuf,
}

/// What is measured how often.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) queues: Vec<Backend>,
    pub(crate) queued: Vec<u64>,
    pub(crate) producers: u16,
    pub(crate) measured: Duration,
    pub(crate) folder: PathBuf,
}

impl Arguments {
    pub(crate) fn plan(&self) -> Result<Plan> {
        let rounds = self.rounds.unwrap_or(if self.smoke { 1 } else { 3 });
        let millis = self.millis.unwrap_or(if self.smoke { 100 } else { 3_000 });
        let usual: &[u64] = if self.smoke { &[0, 1_000] } else { &[0, 100_000, 1_000_000] };
        ensure!((1..=100).contains(&rounds), "--rounds must be 1 to 100");
        ensure!((1..=600_000).contains(&millis), "--millis must be 1 to 600000");
        ensure!((1..=1_024).contains(&self.producers), "--producers must be 1 to 1024");
        Ok(Plan {
            rounds,
            queues: self.queues.clone().unwrap_or_else(|| Backend::value_variants().to_vec()),
            queued: self.queued.clone().unwrap_or_else(|| usual.to_vec()),
            producers: self.producers,
            measured: Duration::from_millis(millis.into()),
            folder: self.folder.clone().unwrap_or_else(std::env::temp_dir),
        })
    }
}

impl Plan {
    /// All cases in their order: the queues of one case beside each other.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Case> {
        self.queued.iter().flat_map(move |&queued| {
            let places: &[Place] = if queued == 0 { &[Place::Nowhere] } else { &[Place::OtherLanes, Place::SameLane] };
            places.iter().flat_map(move |&place| self.queues.iter().map(move |&queue| Case { queue, queued, place }))
        })
    }
}
