//! Tasks that nobody waits for.

use anyhow::Result;

use super::{Bench, Section};
use crate::measure::measure;
use crate::series::{Series, in_turns};
use crate::table::Table;
use crate::task;

const CLIENTS: u32 = 64;
const QUEUES: [&str; 2] = ["memory", "embedded"];
/// A lane without workers.
const NOBODYS: u32 = 1;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let stage = bench.stage()?;
    // Of another lane; what it uses is nothing.
    let mut worker = stage.worker().await?;
    let mut series = QUEUES.map(|queue| Series::new(CLIENTS.to_string(), queue, CLIENTS));
    // Each begins empty.
    in_turns(&mut series, bench.plan, async |at| {
        let mut balancer = stage.balancer(QUEUES[at], &worker.list, &[("QUEUE", QUEUES[at])]).await?;
        let requests = [balancer.request(task::nobody_waits(NOBODYS))?];
        measure(&mut balancer, &mut worker, &requests, CLIENTS, bench.plan).await
    })
    .await?;
    let table = Table { groups: "clients", series: &series, bases: &[QUEUES[0]] };
    Ok(Section {
        text: format!(
            "## Taking in\n\n`mode: async`, one task a request, a lane without workers: all tasks wait.\n\n{table}"
        ),
        found: Vec::new(),
    })
}
