//! The queue by itself: how many writes a second beside how many tasks that wait, what a waiting task takes in memory and on the disk,
//! and how long it takes to open the queue again after its process was killed.
//!
//! Each measurement is a process of its own, so that memory and recovery are its alone. The queues are measured in turns, round after
//! round, so that a busy minute of the machine hits all alike.
//!
//! ```sh
//! cargo bench --bench queue -- --out figures.md
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the command line: table and progress")]

mod arguments;
mod backend;
mod case;
mod child;
#[path = "../throughput/interrupt.rs"]
mod interrupt;
mod load;
#[path = "../throughput/machine.rs"]
mod machine;
#[path = "../throughput/median.rs"]
mod median;
mod process;
mod report;
mod steps;
mod tasks;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::arguments::{Arguments, Plan, Step};
use crate::case::{Case, Series};
use crate::child::Child;
use crate::report::Report;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.step {
        Some(Step::Measure(case)) => steps::measure(case),
        Some(Step::Reopen(case)) => steps::reopen(case),
        None => all(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn all(arguments: &Arguments) -> Result<()> {
    interrupt::to_the_end(run(arguments)).await
}

async fn run(arguments: &Arguments) -> Result<()> {
    let plan = arguments.plan()?;
    let series = measure_in_turns(&plan).await?;
    let program = format!("andera-lb {}", env!("CARGO_PKG_VERSION"));
    let report = Report { subject: machine::describe(&[program]), plan: &plan, series: &series };
    print!("{report}");
    if let Some(path) = &arguments.out {
        std::fs::write(path, report.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

async fn measure_in_turns(plan: &Plan) -> Result<Vec<Series>> {
    let mut series: Vec<Series> = plan.cases().map(Series::new).collect();
    let steps = plan.rounds as usize * series.len();
    let mut step = 0;
    for round in 1..=plan.rounds {
        for series in &mut series {
            step += 1;
            eprint!("[{step}/{steps}] round {round}, {}: ", series.case);
            measure(plan, series).await.with_context(|| series.case.to_string())?;
            eprintln!();
        }
    }
    Ok(series)
}

/// One round of one case: measured, killed, opened again, ended in good order, opened again.
async fn measure(plan: &Plan, series: &mut Series) -> Result<()> {
    let Case { queue, queued, .. } = series.case;
    let folder = tempfile::tempdir_in(&plan.folder).context("cannot make a temporary folder")?;
    let (mut child, figures) = Child::measure(plan, &series.case, folder.path()).await?;
    eprint!("{figures}");
    series.figures.push(figures);
    // Still under load: what was acknowledged must be there afterwards.
    child.kill().await?;
    if queue.recovers() {
        for (how, reopened) in [("a kill", &mut series.killed), ("an orderly end", &mut series.ended)] {
            let found = Child::reopen(plan, &series.case, folder.path()).await?;
            ensure!(found.tasks >= queued, "of {queued} tasks {} were there after {how}", found.tasks);
            eprint!("; opened after {how} in {:.2} s", found.seconds);
            reopened.push(found);
        }
    }
    Ok(())
}
