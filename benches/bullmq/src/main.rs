//! Tasks a second of balancers with `QUEUE=redis`, and what they cost Redis, beside the official crate of BullMQ that adds jobs and
//! processes them in a loop.
//!
//! Each of them has a Redis of its own, on this machine and without persistence. They are measured in turns, as
//! [`make bench`](../../throughput/main.rs) does: trust the ratios more than the figures. The loop does less than a balancer: no HTTP, nobody waits
//! for an answer over the network, nothing is sealed.
//!
//! ```sh
//! make bench-redis
//! ```

#[path = "../../throughput/child.rs"]
mod child;
#[path = "../../throughput/cpu.rs"]
mod cpu;
mod fleet;
#[path = "../../throughput/interrupt.rs"]
mod interrupt;
#[path = "../../throughput/load.rs"]
mod load;
mod looped;
#[path = "../../throughput/machine.rs"]
mod machine;
#[path = "../../throughput/median.rs"]
mod median;
#[path = "../../throughput/programs.rs"]
mod programs;
mod report;
#[path = "../../throughput/sample_worker.rs"]
mod sample_worker;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use tokio::time::Instant;

use crate::fleet::Fleet;
use crate::load::Window;
use crate::report::Series;

/// Balancers on Redis beside the loop of `bullmq-official`.
#[derive(Debug, Parser)]
struct Arguments {
    /// The andera-lb to measure, built with `cargo build --release`.
    #[arg(long, default_value = "../../target/release/andera-lb")]
    binary: PathBuf,
    /// How often each is measured.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Clients at once, each with one task at a time.
    #[arg(long, default_value_t = 64)]
    clients: u32,
    /// How many balancers share a Redis: a row of the table for each of these numbers.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    balancers: Vec<usize>,
}

#[tokio::main]
async fn main() -> Result<()> {
    interrupt::to_the_end(run(&Arguments::parse())).await
}

async fn run(arguments: &Arguments) -> Result<()> {
    eprintln!("starting Redis, a worker and balancers");
    let looped = looped::Loop::start().await?;
    let mut fleets = Vec::new();
    for &count in &arguments.balancers {
        fleets.push(Fleet::start(&arguments.binary.canonicalize()?, count).await?);
    }
    let mut series = vec![Series::new("bullmq-official, add and process".to_owned())];
    series.extend(arguments.balancers.iter().map(|count| Series::new(format!("andera-lb, balancers: {count}"))));
    for round in 1..=arguments.rounds {
        for (at, series) in series.iter_mut().enumerate() {
            let from = Instant::now() + Duration::from_millis(500);
            let window = Window { from, to: from + Duration::from_secs(arguments.seconds) };
            let sample = match at.checked_sub(1).and_then(|at| fleets.get_mut(at)) {
                None => looped.measure(arguments.clients as usize, window).await?,
                Some(fleet) => fleet.measure(arguments.clients, window).await?,
            };
            eprintln!("round {round} of {}, {}: {:.0} tasks/s", arguments.rounds, series.name, sample.throughput);
            series.samples.push(sample);
        }
    }
    let machine = machine::describe(&[fleet::version(&arguments.binary), fleet::version("redis-server".as_ref())]);
    print!("{}", report::table(&machine, arguments.clients, &series));
    Ok(())
}
