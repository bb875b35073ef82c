//! A policy in WebAssembly beside a native one.

use anyhow::Result;

use super::proxies::KEYS;
use super::{Bench, Section, beside_each_other};
use crate::goals::Goal;
use crate::measure::Sample;
use crate::series::find;
use crate::table::Table;
use crate::{policy, task};

const NATIVE: &str = "`native:least-loaded`";
const STICKY: &str = "`wasm:sticky`";
const CLIENTS: [u32; 2] = [1, 64];

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let stage = bench.stage()?;
    let [chosen, folder] = policy::place(bench.arguments, &stage)?;
    progress!("  starting the worker and balancers");
    let mut worker = stage.worker().await?;
    let list = worker.list.clone();
    let native = [("QUEUE", "memory"), ("POLICY", "native:least-loaded")];
    let mut contenders = Vec::new();
    for balancer in [
        stage.balancer(NATIVE, &list, &native).await?,
        stage.balancer(STICKY, &list, &[("QUEUE", "memory"), chosen, folder]).await?,
    ] {
        let requests = (0..KEYS).map(|key| balancer.request(task::with_key(key))).collect::<Result<_>>()?;
        contenders.push((balancer, requests));
    }
    let series = beside_each_other(&mut contenders, &mut worker, &CLIENTS, bench.plan).await?;
    let table = Table { groups: "clients", series: &series, bases: &[NATIVE] };
    let ratio = find(&series, "64", STICKY)
        .zip(find(&series, "64", NATIVE))
        .map(|(sticky, native)| (Goal::Sticky, sticky.median_ratio(native, Sample::throughput)));
    Ok(Section {
        text: format!(
            "## A policy in WebAssembly\n\n`QUEUE=memory`, one worker; the tasks of both have `options.key`, one of {KEYS}.\n\n{table}"
        ),
        found: ratio.into_iter().collect(),
    })
}
