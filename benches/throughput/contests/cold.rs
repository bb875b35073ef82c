//! From the start of the process to the first answer.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::{Bench, Section};
use crate::goals::Goal;
use crate::load;
use crate::median::median;
use crate::task;

const QUEUES: [&str; 2] = ["embedded", "memory"];
const PAUSE: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let starts = bench.plan.scale.starts;
    let stage = bench.stage()?;
    let worker = stage.worker().await?;
    let mut text = format!(
        "## Cold start\n\nFrom the start of the process to the first task's answer, tried every millisecond; {starts} starts, one worker, an \
         empty directory.\n\n| queue | median ms | lowest | highest |\n|---|---:|---:|---:|\n"
    );
    let mut found = Vec::new();
    for queue in QUEUES {
        let mut took_ms = Vec::new();
        for n in 1..=starts {
            let began = Instant::now();
            let mut balancer = stage.unready_balancer(queue, &worker.list, &[("QUEUE", queue)])?;
            let request = balancer.request(task::hello(0))?;
            while let Err(error) = load::run_one(balancer.address, &request, began + LIMIT).await {
                balancer.ensure_running()?;
                if began.elapsed() > LIMIT {
                    return Err(error.context("no first answer"));
                }
                sleep(PAUSE).await;
            }
            let ms = began.elapsed().as_secs_f64() * 1_000.0;
            progress!("  {queue}, start {n} of {starts}: {ms:.1} ms");
            took_ms.push(ms);
        }
        took_ms.sort_by(f64::total_cmp);
        let (lowest, highest) = (took_ms.first().copied(), took_ms.last().copied());
        let middle = median(took_ms);
        writeln!(
            text,
            "| {queue} | {middle:.1} | {:.1} | {:.1} |",
            lowest.unwrap_or(f64::NAN),
            highest.unwrap_or(f64::NAN)
        )?;
        found.push((Goal::ColdStart, middle));
    }
    // The default one's.
    found.truncate(1);
    Ok(Section { text, found })
}
