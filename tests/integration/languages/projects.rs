//! `andera-lb policy new`: what it writes builds, passes its own tests, and decides in a balancer.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use andera_lb::policy::Directory;
use serde_json::{Value, json};

use super::toolchain::{self, built, fetch_tools, run};
use super::{balancer, load, repository};
use crate::harness::{TestApp, TestWorker, until};

/// Makes a project anew.
fn new_project(language: &str, folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    let binary = env!("CARGO_BIN_EXE_andera-lb");
    run(Path::new("/"), &[binary, "policy", "new", "probe", "--lang", language, "--dir", folder.to_str().unwrap()]);
}

/// Runs the tests of a new project, and builds it.
async fn project(language: &'static str, tools: &[&str], build: fn(&Path)) -> PathBuf {
    let folder = toolchain::folder().join(format!("project-{language}"));
    let mut sources = vec![folder.clone()];
    sources.extend(tools.iter().map(|file| repository(file)));
    let made = folder.clone();
    let prepare = move || new_project(language, &made);
    built(language, sources, prepare, move |file| {
        build(&folder);
        fs::copy(folder.join("probe.wasm"), file).unwrap();
    })
    .await
}

/// A balancer with this policy gives tasks to the worker with the least share of its slots in use, and says that the policy did.
async fn decides(policy: PathBuf) {
    // Compiling takes longer than anybody waits for a balancer; this one finds it done.
    let checked = load(&policy, "{}", Directory::default()).await.unwrap();
    assert_eq!(checked.exports(), ["ranking", "setup"]);
    assert_eq!((checked.info().name.as_str(), checked.info().version.as_str()), ("probe", "0.1.0"));

    let (small, large) = (TestWorker::start(&["--slots", "2"]).await, TestWorker::start(&["--slots", "8"]).await);
    let (app, _directory) = balancer(&policy, "probe", json!({}), &[&small, &large]).await;

    // Whoever gets the first, half of each worker is in use after five.
    let mut tasks = Vec::new();
    for count in 1..=5 {
        tasks.push(app.accept(&TestApp::call("sleep", &json!({ "ms": 60_000 }))).await);
        until("the task runs", || async { small.started() + large.started() == count }).await;
    }
    assert_eq!((small.started(), large.started()), (1, 4));
    for task in &tasks {
        let why = &app.shown(task).await["attempts"][0]["why"];
        assert_eq!((&why["policy"], &why["fallback"]), (&json!("wasm:probe"), &Value::Null), "{why}");
    }
    assert_eq!(app.metric("andera_lb_policy_decisions_total{policy=\"wasm:probe\"}").await, 5);
}

#[tokio::test]
async fn a_new_project_in_rust_decides() {
    let policy = project("rust", &["scripts/wasm32.sh"], |folder| {
        let target = toolchain::folder().join("rust-target");
        let (target, cargo) = (target.to_str().unwrap(), repository("scripts/wasm32.sh"));
        run(folder, &["cargo", "test", "--quiet", "--target-dir", target]);
        run(folder, &[cargo.to_str().unwrap(), "build", "--quiet", "--release", "--target-dir", target]);
        let built = Path::new(target).join("wasm32-unknown-unknown/release/policy.wasm");
        fs::copy(built, folder.join("probe.wasm")).unwrap();
    });
    decides(policy.await).await;
}

#[tokio::test]
async fn a_new_project_in_javascript_decides() {
    let policy = project("js", &["policies/package-lock.json"], |folder| {
        fetch_tools("js");
        // What `npm install` would fetch: see `new_projects_use_the_tools_of_the_samples`.
        symlink(repository("policies/node_modules"), folder.join("node_modules")).unwrap();
        run(folder, &["npm", "test"]);
        run(folder, &["npm", "run", "build"]);
    });
    decides(policy.await).await;
}

#[tokio::test]
async fn a_new_project_in_python_decides() {
    let policy = project("python", &["policies/requirements.txt"], |folder| {
        fetch_tools("python");
        run(folder, &["make", "test"]);
        run(folder, &["make", &format!("VENV={}", repository("policies/.venv").display())]);
    });
    decides(policy.await).await;
}

#[tokio::test]
async fn a_new_project_in_c_decides() {
    let policy = project("c", &[], |folder| {
        run(folder, &["make", "test"]);
        run(folder, &["make"]);
    });
    decides(policy.await).await;
}

#[test]
fn new_projects_use_the_tools_of_the_samples() {
    let json = |file: &str| -> Value { serde_json::from_slice(&fs::read(repository(file)).unwrap()).unwrap() };
    let (project, samples) = (json("templates/policy/js/package.json"), json("policies/package.json"));
    for field in ["devDependencies", "overrides"] {
        assert!(project[field].is_object());
        assert_eq!(project[field], samples[field]);
    }
    let text = |file: &str| fs::read_to_string(repository(file)).unwrap();
    assert_eq!(text("templates/policy/python/requirements.txt"), text("policies/requirements.txt"));
}
