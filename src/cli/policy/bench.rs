//! `andera-lb policy bench`: what a call costs, beside the native policy.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::file::{self, PolicyFile};
use crate::policy::{Loader, Measurement, PolicyLimits, measure};

/// Numbers of candidates.
const SIZES: [u32; 5] = [1, 8, 64, 1_000, 10_000];
/// A slow policy is measured, too.
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 measured, 1 a call failed, 64 it cannot be measured.")]
pub(in crate::cli) struct BenchArgs {
    #[command(flatten)]
    policy: PolicyFile,
    /// Time for each number of candidates, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    time: u64,
    /// Say what was measured as JSON.
    #[arg(long)]
    json: bool,
}

/// Exits 0 if all was measured, 1 if a call failed, 64 if the policy cannot be used.
pub(super) fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    file::run(|| {
        let (bytes, setup) = (args.policy.read()?, args.policy.setup()?);
        let limits = file::limits()?;
        let loader = Loader::new(PolicyLimits { deadline: DEADLINE.max(limits.deadline), ..limits }, None)?;
        let checked = loader.load(&args.policy.name(), &bytes, setup);
        let mut policy = checked.with_context(|| format!("{} cannot be used", args.policy.file.display()))?;
        if !["ranking", "priority"].iter().any(|name| policy.exports().contains(name)) {
            bail!("it exports neither ranking nor priority: there is nothing to measure");
        }
        if cfg!(debug_assertions) {
            writeln!(io::stderr(), "note: this is a debug build, in which the host's part of a call is slow")?;
        }
        let measured = measure(&mut policy, &SIZES, Duration::from_millis(args.time), &mut file::progress);
        let measurement = match measured {
            Ok(measurement) => measurement,
            Err(trouble) => {
                writeln!(io::stderr(), "a call failed ({}): {}", trouble.failure.word(), trouble.detail)?;
                return Ok(ExitCode::FAILURE);
            }
        };
        let mut output = io::stdout().lock();
        if args.json {
            serde_json::to_writer_pretty(&mut output, &json(&measurement))?;
            writeln!(output)?;
        } else {
            let compiled = policy.compiled_in().as_millis();
            writeln!(output, "{}, {} bytes, compiled in {compiled} ms", args.policy.file.display(), bytes.len())?;
            write!(output, "{measurement}")?;
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}

fn json(measurement: &Measurement) -> serde_json::Value {
    let rank = measurement.rank.iter().map(|(candidates, native, policy)| {
        serde_json::json!({ "candidates": candidates, "native": native, "policy": policy })
    });
    serde_json::json!({
        "debugBuild": cfg!(debug_assertions),
        "rank": rank.collect::<Vec<_>>(),
        "prioritize": measurement.prioritize,
    })
}
