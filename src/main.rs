//! The `andera-lb` command.

use std::process::ExitCode;

use andera_lb::cli::Cli;
use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    Cli::parse().run()
}
