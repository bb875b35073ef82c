//! What is measured: a contest each.

mod backlog;
pub(crate) mod chosen;
mod cold;
mod enqueue;
mod idle_clients;
mod lanes;
mod payloads;
mod proxies;
mod sticky;
mod streams;
mod workers;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use crate::arguments::{Arguments, Plan};
use crate::contender::Contender;
use crate::goals::Goal;
use crate::load::TaskRequest;
use crate::measure::measure;
use crate::series::{Series, in_turns};
use crate::stage::{Stage, Workers};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contest {
    /// A worker asked directly, nginx, and the balancer with every queue.
    Proxies,
    /// A policy in WebAssembly beside a native one.
    Sticky,
    /// Inputs of 100 B, 10 KB and 1 MB.
    Payloads,
    /// Streams: first byte and bytes a second.
    Streams,
    /// One worker, some, and many; CPU with nothing to do.
    Workers,
    /// Many workers in one lane, and in one each.
    Lanes,
    /// Tasks that wait.
    Backlog,
    /// Tasks that nobody waits for.
    Enqueue,
    /// From the start of the process to the first answer.
    Cold,
    /// Clients that keep their connection and send nothing.
    IdleClients,
}

/// What a contest needs to know.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) plan: &'a Plan,
    /// Where it is; empty if no contest needs it.
    pub(crate) nginx: PathBuf,
}

/// What came of a contest.
#[derive(Debug)]
pub(crate) struct Section {
    /// Markdown.
    pub(crate) text: String,
    pub(crate) found: Vec<(Goal, f64)>,
}

impl Contest {
    /// In the order of the report.
    pub(crate) const ALL: [Self; 10] = [
        Self::Proxies,
        Self::Sticky,
        Self::Payloads,
        Self::Streams,
        Self::Workers,
        Self::Lanes,
        Self::Backlog,
        Self::Enqueue,
        Self::Cold,
        Self::IdleClients,
    ];

    pub(crate) fn needs_nginx(self) -> bool {
        matches!(self, Self::Proxies | Self::Payloads | Self::Streams)
    }

    pub(crate) fn needs_policy(self) -> bool {
        matches!(self, Self::Proxies | Self::Sticky)
    }

    pub(crate) async fn run(self, bench: &Bench<'_>) -> Result<Section> {
        match self {
            Self::Proxies => proxies::run(bench).await,
            Self::Sticky => sticky::run(bench).await,
            Self::Payloads => payloads::run(bench).await,
            Self::Streams => streams::run(bench).await,
            Self::Workers => workers::run(bench).await,
            Self::Lanes => lanes::run(bench).await,
            Self::Backlog => backlog::run(bench).await,
            Self::Enqueue => enqueue::run(bench).await,
            Self::Cold => cold::run(bench).await,
            Self::IdleClients => idle_clients::run(bench).await,
        }
    }
}

impl Bench<'_> {
    pub(crate) fn stage(&self) -> Result<Stage> {
        Stage::new(&self.arguments.binary)
    }
}

/// Measures contenders before the same workers in turns, with each number of clients. Each has requests of its own.
async fn beside_each_other(
    contenders: &mut [(Contender, Vec<TaskRequest>)],
    workers: &mut Workers,
    clients: &[u32],
    plan: &Plan,
) -> Result<Vec<Series>> {
    let mut series = Vec::new();
    for &clients in clients {
        let names = contenders.iter().map(|(contender, _)| &contender.name);
        series.extend(names.map(|name| Series::new(clients.to_string(), name, clients)));
    }
    let count = contenders.len();
    in_turns(&mut series, plan, async |at| {
        let (contender, requests) = &mut contenders[at % count];
        measure(contender, workers, requests, clients[at / count], plan).await
    })
    .await?;
    Ok(series)
}
