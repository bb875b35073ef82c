//! What was measured where.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

/// The versions and the machine, in a few lines.
pub(crate) fn describe(binary: &Path, nginx: &Path) -> String {
    let cores = available_parallelism().map_or(0, NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let build = if cfg!(debug_assertions) { "\n**A debug build: these figures say nothing about speed.**" } else { "" };
    format!(
        "{}; {}; {cores} cores ({}), Linux {}; {}{build}\n",
        version(binary, "--version"),
        version(nginx, "-v"),
        processor(),
        kernel.trim(),
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
    )
}

fn version(program: &Path, flag: &str) -> String {
    // nginx tells its version on the error output.
    Command::new(program)
        .arg(flag)
        .output()
        .ok()
        .and_then(|output| String::from_utf8([output.stdout, output.stderr].concat()).ok())
        .and_then(|text| text.lines().next().map(|line| line.trim_start_matches("nginx version: ").to_owned()))
        .unwrap_or_else(|| format!("{} of unknown version", program.display()))
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
