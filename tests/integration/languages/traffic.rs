//! The samples in a balancer, with their configuration in `policies.json`: what they are for shows in real traffic.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use andera_lb::policy::Directory;
use serde_json::{Value, json};

use super::samples::{business_hours, zone_first};
use super::toolchain::{self, built, run};
use super::{load, repository};
use crate::harness::{TestApp, TestWorker, until, with};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A sample in Rust.
async fn sample(name: &'static str) -> PathBuf {
    let sources = ["policies/sdk", "policies/Cargo.toml", "scripts/wasm32.sh"].map(repository);
    let sources = sources.into_iter().chain([repository(&format!("policies/{name}"))]).collect();
    built(
        name,
        sources,
        || (),
        move |file| {
            // Shared with the projects: most of it is the standard library.
            let _lock = toolchain::locked("rust-target");
            let target = toolchain::folder().join("rust-target");
            let cargo = repository("scripts/wasm32.sh");
            let arguments = ["build", "--quiet", "--release", "-p", name, "--target-dir", target.to_str().unwrap()];
            run(&repository("policies"), &[&[cargo.to_str().unwrap()], &arguments[..]].concat());
            let stem = name.replace('-', "_");
            fs::copy(target.join(format!("wasm32-unknown-unknown/release/{stem}.wasm")), file).unwrap();
        },
    )
    .await
}

/// A balancer with that sample for all lanes.
async fn balancer(sample: PathBuf, config: Value, workers: &[&TestWorker]) -> (TestApp, tempfile::TempDir) {
    // Compiling takes longer than anybody waits for a balancer; this one finds it done.
    load(&sample, &config.to_string(), Directory::default()).await.unwrap();
    super::balancer(&sample, "sample", config, workers).await
}

fn echo(options: &Value) -> Value {
    with(TestApp::call("echo", &json!({})), json!({ "options": options }))
}

/// Runs a task to its end; the worker it ran on.
async fn ran_on(app: &TestApp, task: &Value) -> String {
    let id = app.accept(task).await;
    let task = app.ended(&id).await;
    assert_eq!(task["state"], "completed", "{task}");
    task["attempts"][0]["worker"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn sticky_sends_tasks_of_a_key_to_one_worker_and_keys_to_all() {
    let workers = [(); 3].map(|()| async { TestWorker::start(&["--slots", "8"]).await });
    let workers = futures_util::future::join_all(workers).await;
    let all: Vec<&TestWorker> = workers.iter().collect();
    let (app, _directory) = balancer(sample("sticky").await, json!({ "load_factor": 4.0 }), &all).await;
    let mut homes: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for round in 0..4 {
        for key in 0..15 {
            let home =
                ran_on(&app, &echo(&json!({ "key": format!("session-{key}"), "tenant": round.to_string() }))).await;
            homes.entry(key).or_default().insert(home);
        }
    }
    assert!(homes.values().all(|home| home.len() == 1), "{homes:?}");
    assert_eq!(homes.values().flatten().collect::<BTreeSet<_>>().len(), 3, "no worker is left out: {homes:?}");
}

#[tokio::test]
async fn tenant_fair_lets_a_tenant_with_little_pass_one_with_much_and_limits_who_asks_for_it() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let config = json!({ "limits": { "trial": { "per_second": 0.001, "burst": 2 } } });
    let (app, _directory) = balancer(sample("tenant-fair").await, config, &[&worker]).await;
    // It runs while the others come, so that they wait.
    let first = app.accept(&TestApp::call("sleep", &json!({ "ms": 1_500 }))).await;
    worker.has_started(1).await;
    let mut greedy = Vec::new();
    for _ in 0..20 {
        greedy.push(app.accept(&echo(&json!({ "tenant": "greedy" }))).await);
    }
    let modest = [
        app.accept(&echo(&json!({ "tenant": "modest" }))).await,
        app.accept(&echo(&json!({ "tenant": "modest" }))).await,
    ];
    for task in greedy.iter().chain(&modest).chain([&first]) {
        assert_eq!(app.ended(task).await["state"], "completed");
    }
    let order = worker.order();
    let place = |task: &String| order.iter().position(|other| other == task).unwrap();
    assert!(modest.iter().all(|task| place(task) <= 6), "{:?}", modest.map(|task| place(&task)));

    let trial = echo(&json!({ "tenant": "trial" }));
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(app.submit(&trial).await);
    }
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 429]);
    assert_eq!(answers[2].json()["code"], "policy_rejected");
    assert!(answers[2].header("retry-after").is_some());
}

#[tokio::test]
async fn latency_aware_learns_which_worker_is_slow() {
    let (quick, slow) =
        (TestWorker::start(&["--slots", "4"]).await, TestWorker::start(&["--slots", "4", "--pace", "20"]).await);
    let (app, _directory) =
        balancer(sample("latency-aware").await, json!({ "decay_ms": 60_000 }), &[&quick, &slow]).await;
    let sleep = TestApp::call("sleep", &json!({ "ms": 20 }));
    until("it has heard of both", || async {
        ran_on(&app, &sleep).await;
        quick.started() > 0 && slow.started() > 0
    })
    .await;
    let before = (quick.started(), slow.started());
    for _ in 0..40 {
        ran_on(&app, &sleep).await;
    }
    let runs = (quick.started() - before.0, slow.started() - before.1);
    assert!(runs.0 >= 36, "{runs:?}");
}

#[tokio::test]
async fn zone_first_keeps_traffic_in_the_zone_until_that_is_full() {
    let near = TestWorker::start(&["--slots", "2", "--tag", "zone=eu-1"]).await;
    let far = TestWorker::start(&["--slots", "8", "--tag", "zone=us-1"]).await;
    let (app, _directory) = balancer(zone_first().await, json!({ "zone": "eu-1" }), &[&near, &far]).await;
    for _ in 0..5 {
        assert_eq!(ran_on(&app, &echo(&json!({}))).await, near.url);
    }
    for count in 1..=3 {
        app.accept(&TestApp::call("sleep", &json!({ "ms": 60_000 }))).await;
        until("it runs", || async { near.started() + far.started() == 5 + count }).await;
    }
    assert_eq!((near.started(), far.started()), (7, 1));
}

#[tokio::test]
async fn business_hours_give_another_priority_outside_and_leave_it_within() {
    let worker = TestWorker::start(&[]).await;
    // The first day of the epoch was a Thursday.
    let today = 3 + std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let neither_today_nor_tomorrow = DAYS[usize::try_from((today + 3) % 7).unwrap()];
    for (days, expected) in [(json!(DAYS), 50), (json!([neither_today_nor_tomorrow]), 3)] {
        let config = json!({ "days": days, "from": "00:00", "to": "24:00", "outside": { "set": 3 } });
        let (app, _directory) = balancer(business_hours().await, config, &[&worker]).await;
        let id = app.accept(&with(echo(&json!({})), json!({ "priority": 50 }))).await;
        assert_eq!(app.ended(&id).await["priority"], expected);
    }
}
