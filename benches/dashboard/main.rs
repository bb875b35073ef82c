//! What the dashboard costs with a large fleet: the first byte of every page and of what pages ask for, and the balancer's throughput
//! with and without an open page.
//!
//! A balancer, and all workers in one process beside it, run on 127.0.0.1. With and without a page is measured in turns within one
//! run, so that a busy minute of the machine hits both alike: trust the ratios more than the figures.
//!
//! ```sh
//! cargo bench --bench dashboard -- --out figures.md
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the command line: table and progress")]

mod arguments;
#[path = "../throughput/child.rs"]
mod child;
#[path = "../throughput/cpu.rs"]
mod cpu;
mod first_byte;
#[path = "../throughput/interrupt.rs"]
mod interrupt;
#[path = "../throughput/load.rs"]
mod load;
#[path = "../throughput/machine.rs"]
mod machine;
#[path = "../throughput/median.rs"]
mod median;
mod open_page;
#[path = "../throughput/programs.rs"]
mod programs;
mod report;
#[path = "../throughput/sample_worker.rs"]
mod sample_worker;
mod scene;
mod throughput;

use anyhow::{Context, Result};
use clap::Parser;

use crate::arguments::Arguments;
use crate::report::Report;
use crate::scene::Scene;

#[tokio::main]
async fn main() -> Result<()> {
    interrupt::to_the_end(run(&Arguments::parse())).await
}

async fn run(arguments: &Arguments) -> Result<()> {
    let plan = arguments.plan()?;
    eprintln!("starting {} workers in one process, and the balancer", plan.workers);
    let mut scene = Scene::start(&arguments.binary, &plan).await?;
    eprintln!("all are ready; running {} tasks", plan.tasks);
    scene.fill(plan.tasks).await?;
    let idle = scene.idle(plan.measured).await?;
    eprintln!("asking for every page, {} times", plan.repeats);
    let answers = first_byte::measure(&scene, plan.repeats).await?;
    let series = throughput::in_turns(&mut scene, &plan).await?;
    drop(scene);

    let report = Report {
        subject: machine::describe(&[arguments.version()]),
        plan: &plan,
        idle,
        answers: &answers,
        series: &series,
    };
    print!("{report}");
    if let Some(path) = &arguments.out {
        std::fs::write(path, report.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
