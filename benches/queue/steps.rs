//! What a process of the bench's own does.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use andera_lb::queue::TaskQueue;
use anyhow::Result;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::arguments::StepArguments;
use crate::case::{Figures, Reopened};
use crate::load::Load;
use crate::process;
use crate::tasks::Tasks;

/// The share of the time measured that the load runs before, and counts for nothing.
const WARM_UP: u32 = 6;

/// Fills a queue, measures it, tells its figures, and goes on with the load until it is killed.
#[tokio::main(worker_threads = 2)]
pub(crate) async fn measure(case: &StepArguments) -> Result<()> {
    end_with_parent();
    let (queue, _running) = open(case).await?;
    let load = Load { queue, tasks: Tasks::new()?, producers: case.producers.into() };
    let measured = Duration::from_millis(case.millis);
    let empty = process::memory()?;
    let began = Instant::now();
    load.fill(case.queued, case.place).await?;
    let fill_seconds = began.elapsed().as_secs_f64();
    let (filled, disk_filled) = (process::memory()?, process::disk(&case.folder)?);

    load.run(measured / WARM_UP).await?;
    let cpu = process::cpu()?;
    let tally = load.run(measured).await?;
    let cpu = process::cpu()?.saturating_sub(cpu);
    tell(&Figures {
        rates: tally.rates(),
        cpu_us: cpu.as_secs_f64() * 1e6 / f64::from(tally.tasks()),
        fill_seconds,
        memory: [empty, filled, process::memory()?],
        disk: [disk_filled, process::disk(&case.folder)?],
    })?;
    loop {
        load.run(measured).await?;
    }
}

/// Opens a queue that is there, tells how long that took and what was found, and ends in good order.
#[tokio::main(worker_threads = 2)]
pub(crate) async fn reopen(case: &StepArguments) -> Result<()> {
    end_with_parent();
    let began = Instant::now();
    let (queue, running) = open(case).await?;
    let lanes = queue.counts().await?;
    let seconds = began.elapsed().as_secs_f64();
    let tasks = lanes.iter().map(|lane| lane.counts.queued + lane.counts.delayed + lane.counts.running).sum();
    tell(&Reopened { seconds, tasks, memory: process::memory()? })?;
    running.stop.cancel();
    running.task.await?;
    Ok(())
}

/// The queue's own work.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn open(case: &StepArguments) -> Result<(Arc<dyn TaskQueue>, Running)> {
    let queue = case.queue.open(&case.folder).await?;
    let (own, stop) = (Arc::clone(&queue), CancellationToken::new());
    let stopped = stop.clone();
    // The queue's own work: it ends when it is told to, or with the process.
    let task = tokio::spawn(async move { own.run(stopped).await });
    Ok((queue, Running { stop, task }))
}

fn tell(figures: &impl Serialize) -> Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{}", serde_json::to_string(figures)?)?;
    Ok(output.flush()?)
}

/// Ends this process when its parent is gone, however that ended: its standard input ends then.
fn end_with_parent() {
    // Watches until the end of the process.
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        drop(std::io::stdin().read_to_end(&mut rest));
        std::process::exit(1);
    });
}
