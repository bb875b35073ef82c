//! Many workers in one lane, and in one each.

use anyhow::Result;

use super::{Bench, Section};
use crate::measure::{measure, settle};
use crate::series::{Series, in_turns};
use crate::stage::FEW_SLOTS;
use crate::table::Table;
use crate::task;

const CLIENTS: u32 = 64;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let plan = bench.plan;
    let count = plan.scale.lanes;
    let stage = bench.stage()?;
    progress!("  starting twice {count} workers");
    let mut cases =
        [(1, stage.workers(count, 1, FEW_SLOTS).await?), (count, stage.workers(count, count, FEW_SLOTS).await?)];
    let names = ["1 lane".to_owned(), format!("{count} lanes")];
    let mut series = names.clone().map(|name| Series::new(CLIENTS.to_string(), name, CLIENTS));
    // Each balancer is measured with nothing beside it: watching many workers is work.
    in_turns(&mut series, plan, async |at| {
        let (lanes, workers) = &mut cases[at];
        let mut balancer = stage.balancer("embedded", &workers.list, &[("QUEUE", "embedded")]).await?;
        let requests = (0..*lanes).map(|lane| balancer.request(task::hello(lane))).collect::<Result<Vec<_>>>()?;
        settle(&balancer, &requests, CLIENTS, plan).await?;
        measure(&mut balancer, workers, &requests, CLIENTS, plan).await
    })
    .await?;
    let table = Table { groups: "clients", series: &series, bases: &[&names[0]] };
    Ok(Section {
        text: format!(
            "## Many lanes\n\n`QUEUE=embedded`, {count} workers in one process, all in one lane or in one each; every client goes round all \
             lanes.\n\n{table}"
        ),
        found: Vec::new(),
    })
}
