//! One worker, some, and many; and CPU with nothing to do.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::{Bench, Section};
use crate::goals::Goal;
use crate::load::Window;
use crate::measure::{CpuUse, Observed, Sample, measure, settle};
use crate::median::median;
use crate::series::{Series, in_turns};
use crate::stage::{FEW_SLOTS, Stage, Workers};
use crate::table::Table;
use crate::task;

const CLIENTS: u32 = 64;
const EMBEDDED: (&str, &str) = ("QUEUE", "embedded");

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let plan = bench.plan;
    let counts = plan.scale.workers;
    let [_, _, most] = counts;
    let stage = bench.stage()?;
    progress!("  starting {most} workers in one process");
    let mut alone = stage.worker().await?;
    let mut many = stage.workers(most, 1, FEW_SLOTS).await?;
    let names = counts.map(|count| if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") });
    let mut series = names.clone().map(|name| Series::new(CLIENTS.to_string(), name, CLIENTS));
    // Each balancer is measured with nothing beside it: watching many workers is work.
    in_turns(&mut series, plan, async |at| {
        let count = counts[at] as usize;
        let workers = if count == 1 { &mut alone } else { &mut many };
        let mut balancer = stage.balancer("embedded", &workers.list[..count], &[EMBEDDED]).await?;
        let requests = [balancer.request(task::hello(0))?];
        settle(&balancer, &requests, CLIENTS, plan).await?;
        measure(&mut balancer, workers, &requests, CLIENTS, plan).await
    })
    .await?;
    let table = Table { groups: "clients", series: &series, bases: &[&names[0]] };
    let ratio = series[2].median_ratio(&series[0], Sample::throughput);

    let (idle, memory_kb) = idle(bench, &stage, &mut many).await?;
    let percent = |of: fn(&CpuUse) -> Duration| {
        median(idle.iter().map(|cpu| of(cpu).as_secs_f64() / plan.scale.idle.0.as_secs_f64() * 100.0).collect())
    };
    let balancer = percent(|cpu| cpu.proxy.unwrap_or_default());
    Ok(Section {
        text: format!(
            "## Many workers\n\n`QUEUE=embedded`, all workers in one lane and one process; a worker that is alone has {} slots, one of many \
             {FEW_SLOTS}. Each balancer is started for its\nmeasurement.\n\n{table}\nWith {most} workers and nothing to do the balancer uses \
             {balancer:.1} % of a core and {:.0} MB, the process with all workers {:.1} % (median of {} times {} s).\n",
            crate::stage::MANY_SLOTS,
            memory_kb / 1_000.0,
            percent(|cpu| cpu.workers),
            plan.scale.idle.1,
            plan.scale.idle.0.as_secs(),
        ),
        found: vec![(Goal::Workers, ratio), (Goal::IdleCpu, balancer)],
    })
}

/// What a balancer with all workers uses when nobody sends tasks, and its memory.
async fn idle(bench: &Bench<'_>, stage: &Stage, workers: &mut Workers) -> Result<(Vec<CpuUse>, f64)> {
    let (length, times) = bench.plan.scale.idle;
    let mut balancer = stage.balancer("embedded", &workers.list, &[EMBEDDED]).await?;
    sleep(bench.plan.scale.settling).await;
    let observed = Observed::new(&balancer, workers)?;
    let mut found = Vec::new();
    for n in 1..=times {
        progress!("  idle, {n} of {times}, {} s", length.as_secs());
        let from = Instant::now();
        found.push(observed.within(Window { from, to: from + length }).await?);
    }
    balancer.ensure_running()?;
    workers.process.ensure_running()?;
    Ok((found, observed.memory_kb()?.unwrap_or(f64::NAN)))
}
