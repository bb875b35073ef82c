//! `andera-lb policy`: for those who write policies.

mod new;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Write a new policy: a small project that builds, with a test and a README.
    New(new::NewArgs),
}

/// Does it, and gives the exit code of the process.
pub(super) fn run(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::New(args) => new::run(args),
    }
}
