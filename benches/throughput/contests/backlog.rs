//! Tasks that wait, and a steady flow on top.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{Bench, Section};
use crate::ask::ask;
use crate::contender::Contender;
use crate::goals::Goal;
use crate::measure::{Sample, measure};
use crate::series::{Series, in_turns};
use crate::stage::MANY_SLOTS;
use crate::table::Table;
use crate::task;

const CLIENTS: u32 = 64;
/// The lane of the flow.
const FLOW: u32 = 0;
/// That of a worker whose only slot is busy.
const BUSY: u32 = 1;
/// One with fewer slots than there are clients: some task of the flow is always next, and goes before what waits.
const NARROW: u32 = 2;
const NARROW_SLOTS: u32 = 8;
/// Tasks of one batch.
const BATCH: usize = 5_000;
const PAUSE: Duration = Duration::from_millis(20);

const NONE: &str = "none waiting";

#[derive(Deserialize)]
struct Lane {
    group: String,
    counts: Counts,
}

#[derive(Deserialize)]
struct Counts {
    queued: usize,
    running: usize,
}

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let waiting = bench.plan.scale.backlog;
    let stage = bench.stage()?;
    let mut workers = stage.workers(3, 3, &format!("{MANY_SLOTS},1,{NARROW_SLOTS}")).await?;
    // The running task is meant to run all the time.
    let env = [("QUEUE", "embedded"), ("TASK_TIMEOUT", "2h")];
    let mut balancers = Vec::new();
    for name in ["none", "other lane", "same lane"] {
        balancers.push(stage.balancer(name, &workers.list, &env).await?);
    }
    let mut text = String::new();

    ask(balancers[1].address, Method::POST, "/task", task::sleep(BUSY)).await?;
    while lane(&balancers[1], BUSY).await?.counts.running == 0 {
        sleep(PAUSE).await;
    }
    let took = fill(&mut balancers[1], &task::nobody_waits(BUSY), waiting).await?;
    writeln!(text, "{waiting} tasks were taken in {took:.1} s, in batches of {BATCH} one after the other.")?;
    pause(&balancers[2], true).await?;
    fill(&mut balancers[2], &task::last(NARROW), waiting).await?;

    let (other, same) = ("another lane", "the same lane");
    let with = format!("{waiting} waiting");
    let mut series = [(other, NONE), (other, &with), (same, NONE), (same, &with)]
        .map(|(group, name)| Series::new(group, name, CLIENTS));
    in_turns(&mut series, bench.plan, async |at| {
        let (balancer, lane) = [(0, FLOW), (1, FLOW), (0, NARROW), (2, NARROW)][at];
        let balancer = &mut balancers[balancer];
        let requests = [balancer.request(task::hello(lane))?];
        let is_paused = at == 3;
        if is_paused {
            pause(balancer, false).await?;
        }
        let sample = measure(balancer, &mut workers, &requests, CLIENTS, bench.plan).await;
        if is_paused {
            pause(balancer, true).await?;
        }
        sample
    })
    .await?;
    let left = lane(&balancers[1], BUSY).await?.counts.queued;
    ensure!(left == waiting, "{left} of {waiting} tasks are left in the lane that is busy");
    let left = lane(&balancers[2], NARROW).await?.counts.queued;
    writeln!(
        text,
        "Of those in the same lane {left} were left at the end: they run where no task of the flow is ready for a slot."
    )?;

    let table = Table { groups: "waiting in", series: &series, bases: &[NONE] };
    Ok(Section {
        text: format!(
            "## Beside a backlog\n\n`QUEUE=embedded`, {CLIENTS} clients. In another lane the tasks wait for a worker whose only slot is busy. \
             In the same lane they have a lower priority than\nthe flow, and the worker has {NARROW_SLOTS} slots.\n\n{table}\n{text}"
        ),
        found: vec![(Goal::Backlog, series[1].median_ratio(&series[0], Sample::throughput))],
    })
}

/// Sends that task so many times, and returns how many seconds it took.
async fn fill(balancer: &mut Contender, task: &Bytes, count: usize) -> Result<f64> {
    #[derive(Deserialize)]
    struct Taken {
        status: Option<String>,
    }
    let (began, mut sent) = (Instant::now(), 0);
    while sent < count {
        let size = BATCH.min(count - sent);
        let answer = ask(balancer.address, Method::POST, "/tasks", task::batch(task, size)).await;
        let answer: Vec<Taken> = serde_json::from_slice(&answer.context("a batch of tasks")?)?;
        let taken = answer.iter().filter(|one| one.status.as_deref() == Some("queued")).count();
        ensure!(taken == size, "only {taken} of {size} tasks of a batch were taken");
        sent += size;
        if sent.is_multiple_of(20 * BATCH) {
            balancer.ensure_running()?;
            progress!("  {sent} of {count} tasks wait in {}", balancer.name);
        }
    }
    Ok(began.elapsed().as_secs_f64())
}

async fn lane(balancer: &Contender, lane: u32) -> Result<Lane> {
    let lanes = ask(balancer.address, Method::GET, "/lanes", Bytes::new()).await?;
    let lanes: Vec<Lane> = serde_json::from_slice(&lanes)?;
    let group = format!("bench-{lane}");
    lanes.into_iter().find(|lane| lane.group == group).with_context(|| format!("there is no lane {group}"))
}

/// Stops or restarts the narrow lane.
async fn pause(balancer: &Contender, pause: bool) -> Result<()> {
    let action = if pause { "pause" } else { "resume" };
    let path = format!("/lanes/bench-{NARROW}/1/{action}");
    ask(balancer.address, Method::POST, &path, Bytes::new()).await?;
    Ok(())
}
