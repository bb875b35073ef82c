//! Counts the instructions of the balancer's pure core, and compares them with those of a baseline.
//!
//! The counting is done by the bench `core`, under callgrind; this program starts it, reads what it counted, and tells.
//!
//! ```sh
//! make bench-instructions
//! make bench-instructions ARGS="--save"
//! ```

mod baseline;
mod count;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;

use crate::baseline::Baseline;
use crate::report::Report;

/// Counts the instructions of the balancer's pure core, and compares them with those of a baseline.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes the counts down as the new baseline, and compares nothing.
    #[arg(long)]
    save: bool,
    /// The baseline; by default the one that is kept with the sources.
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json"))]
    baseline: PathBuf,
    /// How many per cent a count may be above the baseline.
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    limit: f64,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    ensure!(arguments.limit >= 0.0, "--limit must be 0 or more");
    let old = if arguments.save { None } else { Some(Baseline::read(&arguments.baseline)?) };
    let new = Baseline { made_with: baseline::present_tools()?, instructions: count::count()? };
    let report = Report { old: old.as_ref(), new: &new, limit: arguments.limit };
    print!("{report}");
    if arguments.save {
        new.write(&arguments.baseline)?;
        println!("\nwritten to {}", arguments.baseline.display());
    }
    Ok(if report.is_above() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
