//! The command line: one file per subcommand.

mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use worker::WorkerArgs;

/// What `andera-lb` was asked to do.
#[derive(Debug, Parser)]
#[command(name = "andera-lb", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a sample worker.
    Worker(WorkerArgs),
}

impl Cli {
    /// Does it, and gives the exit code of the process.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Worker(args) => worker::run(args).await,
        }
    }
}
