//! Balancers with other queues or policies beside each other, as the command line says.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::{Bench, Section, beside_each_other};
use crate::contender::Contender;
use crate::stage::Stage;
use crate::table::Table;
use crate::{policy, task};

/// Whether the command line names some.
pub(crate) fn is_asked_for(bench: &Bench<'_>) -> bool {
    !bench.arguments.queues.is_empty() || !bench.arguments.policies.is_empty()
}

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let stage = bench.stage()?;
    progress!("  starting the worker and balancers");
    let mut worker = stage.worker().await?;
    let list = worker.list.clone();
    let mut contenders = Vec::new();
    let mut add = |contender: Contender, body| -> Result<()> {
        let requests = vec![contender.request(body)?];
        contenders.push((contender, requests));
        Ok(())
    };
    for (n, queue) in bench.arguments.queues.iter().enumerate() {
        let same = bench.arguments.queues[..n].iter().filter(|other| *other == queue).count();
        let nth = if same == 0 { String::new() } else { format!(" ({})", same + 1) };
        let name = format!("QUEUE={queue}{nth}");
        let balancer = match &**queue {
            "redis" => stage.balancer_on_redis(&name, &list).await?,
            queue => stage.balancer(&name, &list, &[("QUEUE", queue)]).await?,
        };
        add(balancer, task::hello(0))?;
    }
    for (n, policy) in bench.arguments.policies.iter().enumerate() {
        add(with_policy(&stage, &list, policy, n).await?, task::with_key(0))?;
    }
    let base = contenders.first().map(|(contender, _)| contender.name.clone()).unwrap_or_default();
    let series = beside_each_other(&mut contenders, &mut worker, &bench.plan.clients, bench.plan).await?;
    let table = Table { groups: "clients", series: &series, bases: &[&base] };
    Ok(Section { text: format!("## Balancers beside each other\n\n{table}"), found: Vec::new() })
}

/// A balancer with that policy: a value of `POLICY`, or a file.
async fn with_policy(stage: &Stage, list: &[String], policy: &str, n: usize) -> Result<Contender> {
    let directory = format!("policies-{n}");
    let mut chosen = policy;
    if Path::new(policy).is_file() {
        let folder = stage.folder().join(&directory);
        fs::create_dir(&folder)?;
        policy::copy(Path::new(policy), &folder.join("bench.wasm"))?;
        chosen = "wasm:bench";
    }
    let env = [("QUEUE", "memory"), ("POLICY", chosen), ("POLICIES_DIR", &*directory)];
    stage.balancer(policy, list, &env).await
}
