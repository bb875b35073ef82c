//! `andera-lb policy check`: whether a policy can be used, and what it does when it is asked odd things.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::file::{self, PolicyFile};
use crate::policy::{CheckResult, CheckedPolicy, Loader, hostile_checks, sha256};

#[derive(Debug, Args)]
#[command(
    after_help = "The limits are those of the balancer with the same environment (POLICY_DEADLINE_MS and so on).\n\
                  Exit code: 0 usable, 1 refused or failed in a check, 64 it cannot be looked at."
)]
pub(in crate::cli) struct CheckArgs {
    #[command(flatten)]
    policy: PolicyFile,
    /// Say what was found as JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings {
    file: String,
    bytes: usize,
    sha256: String,
    usable: bool,
    /// Why it would not be loaded.
    refused: Option<String>,
    loaded: Option<Loaded>,
    checks: Vec<CheckResult>,
}

/// What is known of one that can be loaded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Loaded {
    name: String,
    version: String,
    stateful: bool,
    exports: Vec<&'static str>,
    imports: Vec<String>,
    compile_ms: u128,
    start_us: u128,
    memory_bytes: usize,
}

/// Exits 0 if the policy is usable, 1 if not, 64 if that cannot be told.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    file::run(|| {
        let findings = find(args)?;
        let mut output = io::stdout().lock();
        if args.json {
            serde_json::to_writer_pretty(&mut output, &findings)?;
            writeln!(output)?;
        } else {
            findings.write(&mut output)?;
        }
        output.flush()?;
        Ok(if findings.usable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn find(args: &CheckArgs) -> anyhow::Result<Findings> {
    let (bytes, setup) = (args.policy.read()?, args.policy.setup()?);
    let loader = Loader::new(file::limits()?, None)?;
    let mut findings = Findings {
        file: file::shown(&args.policy.file),
        bytes: bytes.len(),
        sha256: sha256(&bytes).as_ref().to_owned(),
        usable: false,
        refused: None,
        loaded: None,
        checks: Vec::new(),
    };
    file::progress("load");
    match loader.load(&args.policy.name(), &bytes, setup) {
        Err(error) => findings.refused = Some(error.to_string()),
        Ok(policy) => {
            findings.loaded = Some(Loaded::of(&policy));
            findings.checks = hostile_checks(&policy, &mut file::progress);
            findings.usable = findings.checks.iter().all(|check| check.ok);
        }
    }
    Ok(findings)
}

impl Loaded {
    fn of(policy: &CheckedPolicy) -> Self {
        let info = policy.info();
        Self {
            name: info.name.clone(),
            version: info.version.clone(),
            stateful: policy.is_stateful(),
            exports: policy.exports(),
            imports: policy.imports(),
            compile_ms: policy.compiled_in().as_millis(),
            start_us: policy.starts_in().as_micros(),
            memory_bytes: policy.memory(),
        }
    }
}

impl Findings {
    fn write(&self, output: &mut impl Write) -> io::Result<()> {
        writeln!(output, "{}", self.file)?;
        writeln!(output, "  size      {} bytes", self.bytes)?;
        writeln!(output, "  sha256    {}", self.sha256)?;
        if let Some(reason) = &self.refused {
            return writeln!(output, "NOT usable: {reason}");
        }
        if let Some(loaded) = &self.loaded {
            let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
            writeln!(output, "  name      {}", or_none(loaded.name.clone()))?;
            writeln!(output, "  version   {}", or_none(loaded.version.clone()))?;
            writeln!(output, "  exports   {}", loaded.exports.join(", "))?;
            writeln!(output, "  imports   {}", or_none(loaded.imports.join(", ")))?;
            writeln!(output, "  stateful  {}", if loaded.stateful { "yes, one instance" } else { "no" })?;
            writeln!(output, "  compiled  in {} ms; an instance starts in {} us", loaded.compile_ms, loaded.start_us)?;
            writeln!(output, "  memory    {} KiB an instance", loaded.memory_bytes >> 10)?;
        }
        for check in &self.checks {
            let (word, more) = match &check.reason {
                None => ("ok    ", check.note.as_ref()),
                Some(reason) => ("FAILED", Some(reason)),
            };
            write!(output, "{word}  {}", check.name)?;
            if let Some(more) = more {
                write!(output, ": {more}")?;
            }
            writeln!(output)?;
        }
        let failed = self.checks.iter().filter(|check| !check.ok).count();
        match failed {
            0 => writeln!(output, "Usable: it loads, and {} checks are passed.", self.checks.len()),
            failed => writeln!(output, "NOT usable: {failed} of {} checks failed.", self.checks.len()),
        }
    }
}
