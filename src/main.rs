//! The `andera-lb` command.

use std::process::ExitCode;

use andera_lb::cli::Cli;
use clap::Parser;

/// A task makes some dozens of small allocations, freed on whichever thread it ends on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    Cli::parse().run()
}
