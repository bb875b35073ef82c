//! `andera-lb policy`: for those who write policies, or are about to use one.

mod bench;
mod check;
mod file;
mod replay;

use std::process::ExitCode;

use clap::Subcommand;

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Look at a policy, and call it with hostile inputs, before it is used.
    Check(check::CheckArgs),
    /// Measure what a call costs, beside the native policy.
    Bench(bench::BenchArgs),
    /// Make recorded calls (`POLICY_RECORD`) again in a policy, and say where it decides otherwise.
    Replay(replay::ReplayArgs),
}

/// Does it.
pub(super) fn run(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check(args) => check::run(args),
        PolicyCommand::Bench(args) => bench::run(args),
        PolicyCommand::Replay(args) => replay::run(args),
    }
}
