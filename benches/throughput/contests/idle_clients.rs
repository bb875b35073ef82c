//! Clients that keep their connection and send nothing.

use std::fmt::Write;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use super::{Bench, Section};
use crate::contender::Contender;
use crate::goals::Goal;
use crate::load::{Client, TaskRequest};
use crate::measure::measure;
use crate::memory::resident_kb;
use crate::stage::Workers;
use crate::task;

const QUEUES: [&str; 2] = ["embedded", "memory"];
/// How many connect at the same time.
const AT_ONCE: usize = 64;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let count = bench.plan.scale.idle_clients;
    let stage = bench.stage()?;
    let mut worker = stage.worker().await?;
    let mut text = format!(
        "## Idle clients\n\n{count} clients that have each sent one task and keep their connection; before, as many tasks were run as are kept \
         (`RETENTION_COUNT=1000`).\n\n| queue | MB before | MB with them | KB a client | MB after they left |\n|---|---:|---:|---:|---:|\n"
    );
    let mut found = Vec::new();
    for queue in QUEUES {
        progress!("  {queue}: {count} clients");
        let mut balancer =
            stage.balancer(queue, &worker.list, &[("QUEUE", queue), ("RETENTION_COUNT", "1000")]).await?;
        let memory = idle_memory(bench, &mut balancer, &mut worker, count).await?;
        let [before, with, after] = memory.map(|kb| kb / 1_000.0);
        let each = (memory[1] - memory[0]) / f64::from(u32::try_from(count)?);
        progress!("      {each:.1} KB a client");
        writeln!(text, "| {queue} | {before:.1} | {with:.1} | {each:.1} | {after:.1} |")?;
        found.push((Goal::IdleClient, each));
    }
    // The default one's.
    found.truncate(1);
    Ok(Section { text, found })
}

/// Resident kilobytes before they come, with all of them, and after they have gone.
async fn idle_memory(
    bench: &Bench<'_>,
    balancer: &mut Contender,
    worker: &mut Workers,
    count: usize,
) -> Result<[f64; 3]> {
    let settling = bench.plan.scale.settling;
    let request = balancer.request(task::hello(0))?;
    // What the first tasks leave behind is not the clients'.
    measure(balancer, worker, std::slice::from_ref(&request), 64, bench.plan).await?;
    let id = balancer.proxy.as_ref().context("a balancer is a process")?.id();
    sleep(settling).await;
    let before = resident_kb(id)?;
    let connecting = stream::iter(0..count).map(|_| connect(balancer, request.clone())).buffer_unordered(AT_ONCE);
    let clients: Vec<Client> = connecting.try_collect().await?;
    sleep(settling).await;
    let with = resident_kb(id)?;
    drop(clients);
    sleep(settling).await;
    balancer.ensure_running()?;
    Ok([before, with, resident_kb(id)?])
}

async fn connect(balancer: &Contender, request: TaskRequest) -> Result<Client> {
    let mut client = Client::connect(balancer.address).await?;
    client.run_task(request).await?;
    Ok(client)
}
