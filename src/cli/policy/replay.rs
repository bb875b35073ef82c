//! `andera-lb policy replay`: where a policy decides otherwise than one in use has.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::file::{self, PolicyFile};
use crate::policy::{Difference, Loader, Replay, ReplayReport};

#[derive(Debug, Args)]
#[command(
    after_help = "Calls are compared by their answers, not by their speed: a call that missed its deadline in life is left out.\n\
                  Exit code: 0 the same everywhere, 1 differences, 64 it cannot be replayed."
)]
pub(in crate::cli) struct ReplayArgs {
    /// The record, as written by a balancer with `POLICY_RECORD`.
    record: PathBuf,
    #[command(flatten)]
    policy: PolicyFile,
    /// Only the calls of the policy of that name (wasm:NAME), if the record has several.
    #[arg(long, value_name = "POLICY")]
    only: Option<String>,
    /// Differences to show.
    #[arg(long, value_name = "N", default_value_t = 10)]
    show: usize,
    /// Say what was found as JSON.
    #[arg(long)]
    json: bool,
}

/// Exits 0 if all answers are the same, 1 if not, 64 if that cannot be told.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    file::run(|| {
        let (bytes, config) = (args.policy.read()?, args.policy.config()?);
        let record = File::open(&args.record).with_context(|| format!("cannot read {}", args.record.display()))?;
        let loader = Loader::new(file::limits()?, None)?;
        let replay = Replay { config, policy: args.only.as_deref(), shown: args.show };
        let report = replay.run(&loader, &args.policy.name(), &bytes, BufReader::new(record))?;
        let mut output = io::stdout().lock();
        if args.json {
            serde_json::to_writer_pretty(&mut output, &report)?;
            writeln!(output)?;
        } else {
            write(&mut output, &report)?;
        }
        output.flush()?;
        Ok(if report.different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn write(output: &mut impl Write, report: &ReplayReport) -> io::Result<()> {
    for recorded in &report.recorded {
        let (policy, sha256) = (&recorded.policy, &recorded.sha256);
        writeln!(output, "recorded: {policy} {sha256}, {} instances", recorded.instances)?;
    }
    writeln!(output, "replayed: {} {} {} {}", report.policy, report.sha256, report.name, report.version)?;
    writeln!(output, "{:>12} {:>12} {:>12}", "call", "same", "otherwise")?;
    for (call, counts) in &report.by_call {
        writeln!(output, "{call:>12} {:>12} {:>12}", counts.same, counts.different)?;
    }
    if report.not_compared > 0 {
        writeln!(
            output,
            "{} calls say nothing: they missed their deadline, or follow missing ones.",
            report.not_compared
        )?;
    }
    if report.lost > 0 {
        writeln!(output, "{} calls are missing in the record.", report.lost)?;
    }
    if report.full {
        writeln!(output, "The record ends early: it had reached its limit.")?;
    } else if report.cut_off || !report.closed {
        writeln!(output, "The record has no end: the balancer still writes it, or was killed.")?;
    }
    if report.different == 0 {
        return writeln!(output, "All {} answers are the same.", report.same);
    }
    writeln!(output, "{} of {} answers are not the same.", report.different, report.different + report.same)?;
    for difference in &report.differences {
        write_difference(output, difference)?;
    }
    let more = report.different - report.differences.len() as u64;
    if more > 0 {
        writeln!(output, "  and {more} more (--show N)")?;
    }
    Ok(())
}

fn write_difference(output: &mut impl Write, difference: &Difference) -> io::Result<()> {
    let Difference { line, instance, call, ask, candidates, recorded, now } = difference;
    let of = candidates.map(|count| format!(" of {count} candidates")).unwrap_or_default();
    writeln!(output, "  line {line} (instance {instance}, call {call}): {ask}{of}")?;
    writeln!(output, "    recorded {recorded}")?;
    writeln!(output, "    now      {now}")
}
