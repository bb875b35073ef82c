//! What was measured where.

use std::fs;
use std::num::NonZero;
use std::thread::available_parallelism;

/// The programs and the machine, in a few lines.
pub(crate) fn describe(programs: &[String]) -> String {
    let cores = available_parallelism().map_or(0, NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let build = if cfg!(debug_assertions) { "\n**A debug build: these figures say nothing about speed.**" } else { "" };
    format!(
        "{}; {cores} cores ({}), Linux {}; {}{build}\n",
        programs.join("; "),
        processor(),
        kernel.trim(),
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
    )
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
