//! `andera-lb policy`: for those who write policies, or are about to use one.

mod bench;
mod check;
mod file;
mod new;
mod replay;

use std::process::ExitCode;

use clap::Subcommand;

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Write a new policy: a small project that builds, with a test and a README.
    New(new::NewArgs),
    /// Look at a policy, and call it with hostile inputs, before it is used.
    Check(check::CheckArgs),
    /// Measure what a call costs, beside the native policy.
    Bench(bench::BenchArgs),
    /// Make recorded calls (`POLICY_RECORD`) again in a policy, and say where it decides otherwise.
    Replay(replay::ReplayArgs),
}

/// Does it, and gives the exit code of the process.
pub(super) fn run(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::New(args) => new::run(args),
        PolicyCommand::Check(args) => check::run(args),
        PolicyCommand::Bench(args) => bench::run(args),
        PolicyCommand::Replay(args) => replay::run(args),
    }
}
