//! The balancer in all its ways beside nginx and a worker asked directly: throughput, latencies, CPU time a task of every process,
//! memory; with many workers, lanes, waiting tasks and idle clients.
//!
//! All of them run as processes of their own on 127.0.0.1, and are measured in turns within one run, so that a busy minute of
//! the machine hits all alike: trust the ratios more than the figures. CPU time per task is the honest one of the two, as
//! throughput also depends on who shares the cores. The worker is this program, too: it does nothing but answer.
//!
//! With `--queues` it is balancers with different queues that are measured beside each other, with `--policies` such with different
//! policies.
//!
//! ```sh
//! cargo bench --bench throughput -- --out figures.md
//! ```

#![expect(clippy::print_stdout, reason = "a tool of the command line")]

/// Says what is going on.
macro_rules! progress {
    ($($what:tt)*) => { eprintln!($($what)*) };
}

mod arguments;
mod ask;
mod child;
mod contender;
mod contests;
mod cpu;
mod goals;
#[path = "../../tests/guests/guest.rs"]
#[expect(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared with the tests")]
mod guest;
mod interrupt;
mod load;
mod machine;
mod measure;
mod median;
mod memory;
mod nginx;
mod policy;
mod programs;
mod redis;
mod report;
mod series;
mod stage;
mod table;
mod task;
mod worker;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::time::Instant;

use crate::arguments::{Arguments, Plan, Program};
use crate::contests::{Bench, chosen};
use crate::report::Report;

fn main() -> Result<()> {
    // For what is started, too.
    rlimit::increase_nofile_limit(u64::MAX).context("cannot raise the limit of open files")?;
    let arguments = Arguments::parse();
    if let Some(Program::Worker(worker)) = &arguments.program {
        return worker::run(worker);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(interrupt::to_the_end(run(&arguments)))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let plan = arguments.plan()?;
    let mut bench = Bench { arguments, plan: &plan, nginx: PathBuf::new() };
    let mut report = Report::new(&plan, arguments.smoke);
    if chosen::is_asked_for(&bench) {
        report.add(chosen::run(&bench).await?);
    } else {
        // What is missing is said at once, not after minutes.
        if plan.contests.iter().any(|contest| contest.needs_nginx()) {
            bench.nginx = nginx::find(arguments.nginx.as_deref())?;
        }
        if plan.contests.iter().any(|contest| contest.needs_policy()) {
            policy::ensure_there(arguments)?;
        }
        measure_all(&bench, &mut report).await?;
    }
    let text = report.text(&machine::describe(&versions(&bench)));
    print!("{text}");
    if let Some(path) = &arguments.out {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

async fn measure_all(bench: &Bench<'_>, report: &mut Report<'_>) -> Result<()> {
    let began = Instant::now();
    let Plan { contests, .. } = bench.plan;
    for (n, contest) in contests.iter().enumerate() {
        progress!("{} of {}, {contest:?} (after {:.0} s)", n + 1, contests.len(), began.elapsed().as_secs_f64());
        report.add(contest.run(bench).await.with_context(|| format!("{contest:?}"))?);
    }
    progress!("done after {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Of every program that can tell it.
fn versions(bench: &Bench<'_>) -> Vec<String> {
    let nginx = nginx::find(bench.arguments.nginx.as_deref()).ok();
    [
        version(&bench.arguments.binary, "--version"),
        nginx.and_then(|nginx| version(&nginx, "-v")),
        version(Path::new("redis-server"), "--version"),
        version(Path::new("rustc"), "--version"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn version(program: &Path, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    // nginx tells its version on the error output.
    let text = String::from_utf8([output.stdout, output.stderr].concat()).ok()?;
    let line = text.lines().next()?.trim_start_matches("nginx version: ");
    // Redis tells more than anybody wants to know.
    Some(line.split(" sha=").next().unwrap_or(line).to_owned())
}
