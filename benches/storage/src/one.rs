//! One run of one store, in this process; the figures go to standard output as JSON.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::load::{self, Source};
use crate::machine;
use crate::store::{self, Durability};
use crate::writer::Writer;

const KEEP: usize = 10_000;
const WARMUP: Duration = Duration::from_millis(500);
const TIME: Duration = Duration::from_secs(3);

/// The figures of a run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    pub store: String,
    pub tasks_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    pub cpu_us_per_task: f64,
    pub writes_per_group: f64,
    pub open_seconds: f64,
    pub found: usize,
    pub memory_mb: f64,
    pub peak_memory_mb: f64,
    pub disk_mb: f64,
    pub threads: u64,
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

pub fn run(name: &str, directory: &Path, backlog: usize, durability: Durability, producers: usize) -> Result<()> {
    let start = Instant::now();
    let (mut writer, found, _) = Writer::recover(store::open(name, directory, durability)?, KEEP)?;
    let open_seconds = start.elapsed().as_secs_f64();
    let source = Arc::new(Source::new());
    if name == "none" || backlog < 1_000_000 {
        writer.fill(backlog, || source.next())?;
    }
    // The tasks that the last run was killed with are ended first.
    writer.drain(backlog.max(1), &load::record())?;
    let (outcome, writer) = load::run(writer, source, producers, WARMUP, TIME, None)?;
    let at = |share: f64| {
        let index = ((outcome.latencies.len() as f64 * share) as usize).min(outcome.latencies.len().saturating_sub(1));
        outcome.latencies.get(index).map_or(0.0, |nanos| f64::from(*nanos) / 1e6)
    };
    let figures = Figures {
        store: name.to_owned(),
        tasks_per_second: outcome.tasks as f64 / outcome.seconds,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        cpu_us_per_task: outcome.cpu_micros as f64 / outcome.tasks.max(1) as f64,
        writes_per_group: outcome.latencies.len() as f64 / outcome.groups.max(1) as f64 * (3.5 / 3.0),
        open_seconds,
        found,
        memory_mb: machine::status("VmRSS") as f64 / 1024.0,
        peak_memory_mb: machine::status("VmHWM") as f64 / 1024.0,
        disk_mb: megabytes(machine::disk_bytes(directory)),
        threads: machine::status("Threads"),
    };
    println!("{}", serde_json::to_string(&figures)?);
    // Not closed: the next start recovers as after a kill.
    std::mem::forget(writer);
    machine::die()
}

/// Enqueues `backlog` tasks.
pub fn fill(name: &str, directory: &Path, backlog: usize) -> Result<()> {
    let start = Instant::now();
    let (mut writer, ..) = Writer::recover(store::open(name, directory, Durability::System)?, KEEP)?;
    let source = Source::new();
    writer.fill(backlog, || source.next())?;
    println!(
        "filled {name} with {backlog} in {:.1} s, {:.1} s of CPU, {:.0} MB of memory at most, {:.0} bytes a task on the disk",
        start.elapsed().as_secs_f64(),
        machine::cpu_micros() as f64 / 1e6,
        machine::status("VmHWM") as f64 / 1024.0,
        machine::disk_bytes(directory) as f64 / backlog as f64,
    );
    std::mem::forget(writer);
    machine::die()
}
