//! Throughput and CPU time per task of the balancer, beside nginx proxying to the same sample worker, and the worker alone.
//!
//! All of them run as processes of their own on 127.0.0.1, and are measured in turns within one run, so that a busy minute of
//! the machine hits all alike: trust the ratios more than the figures. CPU time per task is the honest one of the two, as
//! throughput also depends on who shares the cores.
//!
//! With `--queues` it is balancers with different queues that are measured beside each other, with `--policies` such with different
//! policies.
//!
//! ```sh
//! cargo bench --bench throughput -- --out figures.md
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the command line: table and progress")]

mod arguments;
mod child;
mod cpu;
mod fleet;
mod interrupt;
mod load;
mod machine;
mod median;
mod nginx;
mod programs;
mod report;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Parser;

use crate::arguments::{Arguments, Plan};
use crate::fleet::{Contest, Fleet};
use crate::report::{Report, Series};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    interrupt::to_the_end(run(&Arguments::parse())).await
}

async fn run(arguments: &Arguments) -> Result<()> {
    let plan = arguments.plan()?;
    let mut programs = vec![version(&arguments.binary, "--version")];
    let contest = if !arguments.policies.is_empty() {
        Contest::Policies(arguments.policies.clone())
    } else if arguments.queues.is_empty() {
        let nginx = nginx::find(arguments.nginx.as_deref())?;
        programs.push(version(&nginx, "-v"));
        Contest::Nginx(nginx)
    } else {
        Contest::Queues(arguments.queues.clone())
    };
    eprintln!("starting the worker and what is measured");
    let mut fleet = Fleet::start(&arguments.binary, &contest).await?;
    let series = measure_in_turns(&mut fleet, &plan).await?;
    let base = (fleet.base, fleet.targets.get(fleet.base).map(|target| target.name.clone()).unwrap_or_default());
    drop(fleet);

    let report = Report { subject: machine::describe(&programs), base, plan: &plan, series: &series };
    print!("{report}");
    if let Some(path) = &arguments.out {
        std::fs::write(path, report.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

async fn measure_in_turns(fleet: &mut Fleet, plan: &Plan) -> Result<Vec<Series>> {
    let mut series: Vec<Series> = plan
        .clients
        .iter()
        .flat_map(|&clients| {
            let targets = fleet.targets.iter().enumerate();
            targets.map(move |(at, target)| Series::new(clients, at, &target.name))
        })
        .collect();
    let mut step = 0;
    for round in 1..=plan.rounds {
        for entry in &mut series {
            step += 1;
            eprint!(
                "[{step}/{}] round {round}, {} clients, {}: ",
                plan.rounds as usize * plan.clients.len() * fleet.targets.len(),
                entry.clients,
                entry.name
            );
            let sample = fleet
                .measure(entry.target, entry.clients, plan)
                .await
                .with_context(|| format!("{} with {} clients", entry.name, entry.clients))?;
            eprintln!("{:.0} tasks/s", sample.throughput());
            entry.samples.push(sample);
        }
    }
    Ok(series)
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
