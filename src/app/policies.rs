//! The policy that the settings ask for, and what it is told of workers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::config::{PolicyChoice, PolicySettings, Problem};
use crate::policy::{Directory, FunctionEntry, LaneEntry, PolicyEngine, PolicyKeeper, Recorder, WorkerEntry, native};
use crate::task::{LaneKey, number_of};
use crate::workers::{Fleet, Worker};

/// Whether there is a policy as the settings ask for it; what is in its file is another matter.
pub fn check_policy(choice: &PolicyChoice, directory: &Path, data_dir: Option<&Path>) -> Result<(), Problem> {
    match choice {
        PolicyChoice::Unset => Ok(()),
        PolicyChoice::Native(name) => native(name).map(drop).map_err(|error| Problem::new("POLICY", error.to_string())),
        PolicyChoice::Wasm(name) if PolicyKeeper::has_file(name, directory, data_dir) => Ok(()),
        PolicyChoice::Wasm(name) => {
            let file = directory.join(format!("{name}.wasm"));
            Err(Problem::new("POLICY", format!("there is no file {}", file.display())))
        }
    }
}

/// The record of what policies are asked, if there is to be one. An operator who wants one and cannot have it should know at once.
pub(super) async fn recorder(settings: &PolicySettings) -> anyhow::Result<Option<Arc<Recorder>>> {
    let Some(file) = settings.record.clone() else { return Ok(None) };
    let limit = settings.record_max_bytes;
    let started = tokio::task::spawn_blocking(move || {
        Recorder::start(&file, limit).with_context(|| format!("POLICY_RECORD: cannot record to {}", file.display()))
    });
    Ok(Some(started.await??))
}

/// Ends the record.
pub(super) async fn close_record(recorder: Option<Arc<Recorder>>) {
    if let Some(recorder) = recorder {
        // It does not panic, and nobody else cancels it.
        let _ = tokio::task::spawn_blocking(move || recorder.close()).await;
    }
}

/// Tells the policy of every change of the workers, until `stop`.
pub(super) async fn keep_told(engine: PolicyEngine, fleet: Arc<Fleet>, stop: CancellationToken) {
    let mut changes = fleet.changes();
    loop {
        changes.mark_unchanged();
        let directory = directory(&fleet.all_workers());
        if directory != *engine.directory() {
            engine.tell(directory);
        }
        let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await else { return };
    }
}

/// The texts behind the numbers of these workers, and of their lanes and functions.
fn directory(workers: &[Worker]) -> Directory {
    let mut lanes = BTreeMap::new();
    let mut functions = BTreeSet::new();
    for worker in workers {
        if let (Some(group), Some(contract)) = (&worker.group, worker.contract) {
            let lane = LaneKey::new(Arc::clone(group), contract);
            lanes.insert(lane.number(), LaneEntry { id: lane.number(), group: lane.group, contract });
        }
        functions.extend(worker.functions.iter().flat_map(|offered| names(offered)).map(str::to_owned));
    }
    let function = |name: String| FunctionEntry { id: number_of(&name), name };
    Directory {
        workers: workers.iter().map(entry).collect(),
        lanes: lanes.into_values().collect(),
        functions: functions.into_iter().map(function).collect(),
    }
}

/// The names in a worker's list of functions.
fn names(functions: &Value) -> impl Iterator<Item = &str> {
    functions
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|function| function.as_str().or_else(|| function.get("name")?.as_str()))
}

fn entry(worker: &Worker) -> WorkerEntry {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let tags = match worker.tags.as_deref() {
        Some(Value::Object(tags)) => tags.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        Some(Value::Array(tags)) => tags.iter().map(|tag| (text(tag), String::new())).collect(),
        _ => Vec::new(),
    };
    WorkerEntry { id: worker.id.0, url: Arc::clone(&worker.url), tags }
}
