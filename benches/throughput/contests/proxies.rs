//! A worker asked directly, nginx, and the balancer with every queue.

use anyhow::Result;

use super::{Bench, Section, beside_each_other};
use crate::contender::{DIRECT, NGINX};
use crate::goals::Goal;
use crate::measure::Sample;
use crate::series::{Series, find};
use crate::table::Table;
use crate::{policy, task};

const MEMORY: &str = "memory";
const EMBEDDED: &str = "embedded";
/// Different ones, so that a policy has something to tell apart.
pub(super) const KEYS: u32 = 64;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let stage = bench.stage()?;
    let [chosen, folder] = policy::place(bench.arguments, &stage)?;
    progress!("  starting the worker, nginx, Redis and balancers");
    let mut worker = stage.worker().await?;
    let list = worker.list.clone();
    let plain = [
        worker.directly()?,
        stage.nginx(&bench.nginx, &worker).await?,
        stage.balancer(MEMORY, &list, &[("QUEUE", "memory")]).await?,
        stage.balancer(EMBEDDED, &list, &[("QUEUE", "embedded")]).await?,
        stage.balancer("embedded, `fsync`", &list, &[("QUEUE", "embedded"), ("DURABILITY", "fsync")]).await?,
        stage.balancer_on_redis("redis", &list).await?,
    ];
    let mut contenders = Vec::new();
    for contender in plain {
        let requests = vec![contender.request(task::hello(0))?];
        contenders.push((contender, requests));
    }
    let sticky = stage.balancer("embedded, `wasm:sticky`", &list, &[("QUEUE", "embedded"), chosen, folder]).await?;
    let requests = (0..KEYS).map(|key| sticky.request(task::with_key(key))).collect::<Result<_>>()?;
    contenders.push((sticky, requests));

    let series = beside_each_other(&mut contenders, &mut worker, &bench.plan.clients, bench.plan).await?;
    let table = Table { groups: "clients", series: &series, bases: &[NGINX, DIRECT] };
    Ok(Section {
        text: format!(
            "## Beside nginx\n\nA task of {} bytes, one worker with {} slots. `wasm:sticky` is the policy in WebAssembly, its tasks have \
             `options.key`. nginx has one\nworker process, the balancer takes the cores it finds.\n\n{table}",
            task::hello(0).len(),
            crate::stage::MANY_SLOTS,
        ),
        found: found(&series),
    })
}

fn found(series: &[Series]) -> Vec<(Goal, f64)> {
    let ratio = |goal, clients, name, figure: fn(&Sample) -> f64| {
        let (own, base) = (find(series, clients, name)?, find(series, clients, NGINX)?);
        Some((goal, own.median_ratio(base, figure)))
    };
    let cpu = |sample: &Sample| sample.cpu_a_task(|cpu| cpu.proxy);
    [
        ratio(Goal::EmbeddedThroughput, "64", EMBEDDED, Sample::throughput),
        ratio(Goal::MemoryThroughput, "64", MEMORY, Sample::throughput),
        ratio(Goal::EmbeddedCpu, "64", EMBEDDED, cpu),
        ratio(Goal::EmbeddedP50, "1", EMBEDDED, |sample| sample.p50_ms),
        ratio(Goal::MemoryP50, "1", MEMORY, |sample| sample.p50_ms),
        ratio(Goal::EmbeddedP99, "64", EMBEDDED, |sample| sample.p99_ms),
    ]
    .into_iter()
    .flatten()
    .collect()
}
