//! `andera-lb doctor`: looks after the files of the embedded queue while no balancer runs on them.

mod export;
mod report;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::config::{Effective, Source};
use crate::queue::Doctor;
use crate::task::Clock;

/// The log is damaged.
const DAMAGED: u8 = 1;
/// It could not be looked at, or not be written to where it was to go.
const CANNOT: u8 = 2;
/// Between two words of how far it is.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 sound (or repaired), 1 damaged, 2 it cannot be told, or done.")]
pub(super) struct DoctorArgs {
    /// The balancer's data directory; by default `DATA_DIR`. No balancer may run on it.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Say what was found as JSON.
    #[arg(long)]
    json: bool,
    /// Write every task that can be read to a new file, as NDJSON; `-` is stdout, and what was found goes to stderr.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Make a new log of what can be read, and keep the damaged one beside it.
    #[arg(long)]
    repair: bool,
}

/// Exits 0 if the log is sound or was repaired, 1 if it is damaged, 2 if that cannot be told.
pub(super) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    match examine(args) {
        Ok(code) => Ok(code),
        Err(error) => {
            writeln!(io::stderr().lock(), "{error:#}")?;
            Ok(ExitCode::from(CANNOT))
        }
    }
}

fn examine(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let data = args.data_dir.clone().unwrap_or_else(data_directory);
    let mut stderr = io::stderr().lock();
    if args.repair && Doctor::end_repair(&data)? {
        writeln!(stderr, "A repair was cut off before its last step; that is done now.")?;
    }
    let mut progress = Progress::new("read", "MB");
    let mut doctor = Doctor::examine(&data, &mut |done, all| progress.told(done >> 20, all >> 20))?;
    let findings = doctor.findings().clone();
    let to_stdout = args.export.as_deref() == Some(Path::new("-"));
    let mut output: Box<dyn Write> = if to_stdout { Box::new(&mut stderr) } else { Box::new(io::stdout().lock()) };
    if args.json {
        serde_json::to_writer_pretty(&mut output, &findings)?;
        writeln!(output)?;
    } else {
        report::write(&mut output, &findings)?;
    }
    output.flush()?;
    drop(output);

    let mut code = if findings.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) };
    if let Some(file) = &args.export {
        let exported = export::to(file, &mut doctor)?;
        for task in exported.unreadable {
            writeln!(stderr, "{task}")?;
        }
        writeln!(
            stderr,
            "{} tasks are in {}.",
            exported.tasks,
            if to_stdout { "stdout".into() } else { file.display().to_string() }
        )?;
    }
    if args.repair {
        if findings.is_worth_repairing() {
            let repaired = doctor.repair(Clock::system().now())?;
            report::repaired(&mut stderr, &findings, &repaired)?;
        } else {
            writeln!(stderr, "There is nothing to repair.")?;
        }
        code = ExitCode::SUCCESS;
    }
    Ok(code)
}

/// `DATA_DIR`, whatever is wrong with the rest of the configuration.
fn data_directory() -> PathBuf {
    let effective = Effective::of(&Source::from_process());
    let found = effective.settings().iter().find(|setting| setting.name == "DATA_DIR");
    found.map(|setting| setting.value.clone()).unwrap_or_default().into()
}

/// How far something is, told now and then if it takes long.
struct Progress {
    doing: &'static str,
    unit: &'static str,
    told: Instant,
}

impl Progress {
    fn new(doing: &'static str, unit: &'static str) -> Self {
        Self { doing, unit, told: Instant::now() }
    }

    fn told(&mut self, done: u64, all: u64) {
        if self.told.elapsed() < PATIENCE {
            return;
        }
        self.told = Instant::now();
        // Nobody reading is no fault.
        let _ = writeln!(io::stderr(), "{}: {done} of {all} {}", self.doing, self.unit);
    }
}
