//! Inputs of 100 B, 10 KB and 1 MB.

use anyhow::Result;

use super::{Bench, Section};
use crate::contender::{DIRECT, NGINX};
use crate::measure::measure;
use crate::series::{Series, in_turns};
use crate::table::Table;
use crate::task;

const PAYLOADS: [(&str, usize); 3] = [("100 B", 100), ("10 KB", 10_000), ("1 MB", 1_000_000)];
const CLIENTS: u32 = 8;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let stage = bench.stage()?;
    progress!("  starting the worker, nginx and balancers");
    let mut worker = stage.worker().await?;
    let list = worker.list.clone();
    let mut contenders = [
        worker.directly()?,
        stage.nginx(&bench.nginx, &worker).await?,
        stage.balancer("memory", &list, &[("QUEUE", "memory")]).await?,
        stage.balancer("embedded", &list, &[("QUEUE", "embedded")]).await?,
    ];
    let count = contenders.len();
    let mut series = Vec::new();
    for (payload, _) in PAYLOADS {
        series.extend(contenders.iter().map(|contender| Series::new(payload, &contender.name, CLIENTS)));
    }
    in_turns(&mut series, bench.plan, async |at| {
        let contender = &mut contenders[at % count];
        let requests = [contender.request(task::with_payload(PAYLOADS[at / count].1))?];
        measure(contender, &mut worker, &requests, CLIENTS, bench.plan).await
    })
    .await?;
    let table = Table { groups: "input", series: &series, bases: &[NGINX, DIRECT] };
    Ok(Section {
        text: format!("## Larger inputs\n\n{CLIENTS} clients; the answer is as short as ever.\n\n{table}"),
        found: Vec::new(),
    })
}
