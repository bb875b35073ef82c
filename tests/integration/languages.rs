//! Policies in other languages, built by the tools of each language: new projects, and the samples.

mod bindings;
mod projects;
mod samples;
mod toolchain;
mod traffic;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use andera_lb::policy::{CheckedPolicy, Directory, LoadError, Loader, PolicyLimits, Setup};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{TestApp, TestWorker};

/// A file of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A balancer with that policy for all lanes, under that name and with that configuration.
async fn balancer(policy: &Path, name: &str, config: Value, workers: &[&TestWorker]) -> (TestApp, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    symlink(policy, directory.path().join(format!("{name}.wasm"))).unwrap();
    let rules = json!({ "policies": { name: { "config": config } } });
    fs::write(directory.path().join("policies.json"), rules.to_string()).unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    symlink(toolchain::compiled(), data.join("policies-cache")).unwrap();
    let env = [
        ("POLICIES_DIR", directory.path().to_str().unwrap()),
        ("DATA_DIR", data.to_str().unwrap()),
        ("POLICY", &*format!("wasm:{name}")),
        // The machine may be busy.
        ("POLICY_DEADLINE_MS", "1000"),
        ("POLICY_LOAD_DEADLINE_MS", "120000"),
    ];
    let app = TestApp::start_with(workers, &env).await;
    assert_eq!(app.lines_with("policy loaded").len(), 1, "{:#?}", app.lines());
    (app, directory)
}

/// Loads a policy within the memory that policies have by default. What it compiles to is kept between runs.
async fn load(file: &Path, config: &str, directory: Directory) -> Result<CheckedPolicy, LoadError> {
    let bytes = std::fs::read(file).unwrap();
    let setup = Setup { config: config.to_owned(), directory: directory.into() };
    // The machine may be busy.
    let limits =
        PolicyLimits { deadline: Duration::from_secs(5), load_deadline: Duration::from_mins(2), memory: 64 << 20 };
    let load = move || {
        // Tests that want the same policy find it compiled, all but the first.
        let _lock = toolchain::locked("compiler");
        Loader::new(limits, Some(&toolchain::compiled())).unwrap().load("wasm:probe", &bytes, setup)
    };
    tokio::task::spawn_blocking(load).await.unwrap()
}
