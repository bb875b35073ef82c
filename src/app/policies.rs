//! The policy that the settings ask for, and what it is told of workers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::config::{PolicyChoice, PolicySettings, Problem, QueueSettings};
use crate::policy::{
    CheckedPolicy, Directory, FunctionEntry, LaneEntry, LoadError, Loader, PolicyEngine, PolicyLimits, Recorder, Setup,
    WorkerEntry, native,
};
use crate::task::{LaneKey, number_of};
use crate::workers::{Fleet, Worker};

/// The policy used if nobody asks for another one and there is its file.
const DEFAULT_FILE: &str = "default";
/// Directory of compiled policies, in `DATA_DIR`.
const CACHE: &str = "policies-cache";

/// Which policy the settings ask for, its file found.
enum Wanted {
    Native(String),
    Wasm { name: String, file: PathBuf },
}

/// Whether there is a policy as the settings ask for it; what is in its file is another matter.
pub fn check_policy(settings: &PolicySettings) -> Result<(), Problem> {
    match wanted(settings)? {
        Wanted::Native(name) => native(&name).map(drop).map_err(|error| Problem::new("POLICY", error.to_string())),
        Wanted::Wasm { .. } => Ok(()),
    }
}

/// The engine with the policy that the settings ask for in force. One whose file cannot be used is no reason not to start: the native
/// order takes its place, visibly.
pub(super) async fn engine(
    settings: &PolicySettings,
    queue: &QueueSettings,
    recorder: Option<Arc<Recorder>>,
) -> anyhow::Result<PolicyEngine> {
    let problem = |problem: Problem| anyhow::anyhow!("{problem}");
    let (name, file) = match wanted(settings).map_err(problem)? {
        Wanted::Native(name) => return Ok(PolicyEngine::with_failures(native(&name)?, settings.on_failure)),
        Wanted::Wasm { name, file } => (name, file),
    };
    let engine = PolicyEngine::with_failures(native(crate::policy::NATIVE_NAMES[0])?, settings.on_failure);
    let choice = format!("wasm:{name}");
    let limits = PolicyLimits::from(settings);
    let (data_dir, wanted) = (queue.data_dir.clone(), choice.clone());
    // Compiling takes seconds for a large policy. The first decision is to be its own, so the start waits for it.
    let loaded = tokio::task::spawn_blocking(move || load(&wanted, &file, limits, &data_dir, recorder)).await?;
    match loaded.and_then(|policy| engine.activate(policy)) {
        Ok(()) => {}
        Err(error) => {
            tracing::error!(policy = %choice, "the policy cannot be used, the native order takes its place: {error}");
            engine.activate_missing(&choice, &error);
        }
    }
    Ok(engine)
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

fn wanted(settings: &PolicySettings) -> Result<Wanted, Problem> {
    let file = |name: &str| settings.directory.join(format!("{name}.wasm"));
    match &settings.choice {
        PolicyChoice::Native(name) => Ok(Wanted::Native(name.clone())),
        PolicyChoice::Wasm(name) if file(name).is_file() => Ok(Wanted::Wasm { name: name.clone(), file: file(name) }),
        PolicyChoice::Wasm(name) => Err(Problem::new("POLICY", format!("there is no file {}", file(name).display()))),
        PolicyChoice::Unset if file(DEFAULT_FILE).is_file() => {
            Ok(Wanted::Wasm { name: DEFAULT_FILE.to_owned(), file: file(DEFAULT_FILE) })
        }
        PolicyChoice::Unset => Ok(Wanted::Native(crate::policy::NATIVE_NAMES[0].to_owned())),
    }
}

fn load(
    choice: &str,
    file: &Path,
    limits: PolicyLimits,
    data_dir: &Path,
    recorder: Option<Arc<Recorder>>,
) -> Result<CheckedPolicy, LoadError> {
    let host = |error: std::io::Error| LoadError::Host(format!("{}: {error}", file.display()));
    let bytes = std::fs::read(file).map_err(host)?;
    let cache = data_dir.join(CACHE);
    let loader = match std::fs::create_dir_all(data_dir).map_err(host).and_then(|()| Loader::new(limits, Some(&cache)))
    {
        Ok(loader) => loader,
        Err(error) => {
            tracing::warn!("compiled policies are not kept: {error}");
            Loader::new(limits, None)?
        }
    };
    let policy = loader.recording(recorder).load(choice, &bytes, Setup::default())?;
    let (info, compiled_ms) = (policy.info(), u64::try_from(policy.compiled_in().as_millis()).unwrap_or(u64::MAX));
    tracing::info!(
        policy = choice, name = info.name, version = info.version, sha256 = %policy.sha256(),
        exports = policy.exports().join(","), stateful = policy.is_stateful(), compiled_ms, "policy loaded"
    );
    Ok(policy)
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
