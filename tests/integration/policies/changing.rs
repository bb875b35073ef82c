//! Files that come and go while the balancer runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::bench::{LAST, LOWEST, app_with, echo};
use crate::guest::{FIRST, Guest};
use crate::harness::{TestWorker, until, with};

/// A ranker that is another file for each number, and says so in its version: "0" and so on are not told apart by what they do.
fn numbered(number: u32) -> Vec<u8> {
    Guest::ranker(FIRST).with(&format!("(global $number i32 (i32.const {number}))")).module()
}

#[tokio::test]
async fn a_new_file_takes_over_and_a_bad_one_does_not() {
    let workers = [TestWorker::start(&["--slots", "4"]).await, TestWorker::start(&["--slots", "4"]).await];
    let [one, other] = &workers;
    let app = app_with(&[("default.wasm", &Guest::ranker(LOWEST).module())], &[one, other], &[]).await;
    assert_eq!(app.submit(&echo()).await.status, 200);
    assert_eq!((one.started(), other.started()), (1, 0));
    let first = app.default().await;

    app.put("default.wasm", &Guest::ranker(LAST).module());
    until("the new file is in force", || async { app.default().await["sha256"] != first["sha256"] }).await;
    let second = app.default().await;
    assert_eq!(app.why("default").await["version"], second["version"]);
    assert_eq!((one.started(), other.started()), (1, 1));

    app.put("default.wasm", b"no policy at all");
    app.default_has("trouble", "it is no WebAssembly file").await;
    let kept = app.default().await;
    assert_eq!((&kept["sha256"], &kept["status"]), (&second["sha256"], &json!("ok")));
    assert_eq!(app.why("default").await["version"], second["version"]);
    assert_eq!((one.started(), other.started()), (1, 2));
    assert_eq!(app.lines_with("the last good one stays in force").len(), 1);
    let event = app.policies().await["history"][0].clone();
    assert_eq!((&event["what"], &event["lanes"]), (&json!("refused"), &json!("default")));
    let shown = app.get("/health").await.json();
    assert_eq!(shown["policies"][0]["trouble"], "it is no WebAssembly file");

    app.put("default.wasm", &Guest::ranker(LOWEST).module());
    app.default_has("sha256", first["sha256"].clone()).await;
    app.default_has("trouble", Value::Null).await;
}

#[tokio::test]
async fn a_default_file_that_comes_is_used_and_one_that_goes_leaves_the_native_order() {
    let worker = TestWorker::start(&[]).await;
    let app = app_with(&[], &[&worker], &[]).await;
    assert_eq!(app.why("default").await["policy"], "native:least-loaded");
    app.put("default.wasm", &Guest::ranker(FIRST).module());
    app.default_has("policy", "wasm:default").await;
    assert_eq!(app.why("default").await["policy"], "wasm:default");
    app.delete("default.wasm");
    app.default_has("policy", "native:least-loaded").await;
}

#[tokio::test]
async fn a_policy_chosen_by_name_stays_in_force_when_its_file_goes() {
    let worker = TestWorker::start(&[]).await;
    let files: [(&str, &[u8]); 1] = [("first.wasm", &Guest::ranker(FIRST).module())];
    let app = app_with(&files, &[&worker], &[("POLICY", "wasm:first")]).await;
    app.delete("first.wasm");
    until("it is seen", || async {
        app.default().await["trouble"].as_str().is_some_and(|text| text.contains("there is no file"))
    })
    .await;
    assert_eq!(app.why("default").await["policy"], "wasm:first");
    app.put("first.wasm", files[0].1);
    app.default_has("trouble", Value::Null).await;
}

#[tokio::test]
async fn a_restart_beside_a_bad_file_goes_on_with_the_version_that_was_in_use() {
    let worker = TestWorker::start(&[]).await;
    let mut app = app_with(&[("default.wasm", &Guest::ranker(FIRST).module())], &[&worker], &[]).await;
    let good = app.default().await["version"].clone();
    app.kill().await;
    app.put("default.wasm", b"no policy at all");
    app.restart().await;
    app.ready(1).await;
    let default = app.default().await;
    assert_eq!((&default["version"], &default["status"]), (&good, &json!("ok")));
    assert_eq!(default["trouble"], "it is no WebAssembly file");
    let why = app.why("default").await;
    assert_eq!((&why["version"], why.get("fallback")), (&good, None));
    assert_eq!(app.lines_with("the version that was in use last takes its place").len(), 1);
}

#[tokio::test]
async fn every_file_is_looked_at_and_listed_with_what_is_wrong_with_it() {
    let worker = TestWorker::start(&[]).await;
    let files: [(&str, &[u8]); 3] =
        [("good.wasm", &Guest::least_loaded().module()), ("bad.wasm", b"text"), ("other.txt", b"nothing")];
    let app = app_with(&files, &[&worker], &[]).await;
    let available = || async { app.policies().await["available"].clone() };
    until("both have been looked at", || async {
        available().await.as_array().unwrap().iter().all(|file| file["usable"] != Value::Null)
    })
    .await;
    let available = available().await;
    let shown = |at: usize, field: &str| available[at][field].clone();
    assert_eq!(available.as_array().unwrap().len(), 2);
    assert_eq!((shown(0, "name"), shown(0, "usable")), (json!("bad"), json!(false)));
    assert_eq!(shown(0, "error"), "it is no WebAssembly file");
    assert_eq!((shown(1, "name"), shown(1, "usable")), (json!("good"), json!(true)));
    assert_eq!((shown(1, "exports"), shown(1, "inForce")), (json!(["ranking"]), json!(false)));
}

/// Resident bytes of a process.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn fifty_swaps_under_load_cost_no_task_and_no_memory() {
    const CLIENTS: usize = 64;
    const SWAPS: u32 = 50;
    let workers = [TestWorker::start(&["--slots", "64"]).await, TestWorker::start(&["--slots", "64"]).await];
    let [one, other] = &workers;
    let app = Arc::new(app_with(&[("default.wasm", &numbered(0))], &[one, other], &[]).await);
    let stop = Arc::new(AtomicBool::new(false));
    let client = || {
        let (app, stop) = (Arc::clone(&app), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut ids = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let answer = app.submit(&with(echo(), json!({ "priority": 5 }))).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                ids.push(answer.task_id());
            }
            ids
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| client()).collect();
    let mut versions = vec![app.default().await["version"].clone()];
    let mut early = 0;
    for swap in 1..=SWAPS {
        app.put("default.wasm", &numbered(swap));
        let last = versions.last().unwrap().clone();
        until("the new file is in force", || async { app.default().await["version"] != last }).await;
        versions.push(app.default().await["version"].clone());
        if swap == 10 {
            early = resident(app.pid());
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut ids = Vec::new();
    for client in clients {
        ids.extend(client.await.unwrap());
    }
    let late = resident(app.pid());
    assert_eq!(versions.len(), SWAPS as usize + 1);
    assert!(late < early + (64 << 20), "{early} bytes after 10 swaps, {late} after {SWAPS}");
    // One of many: all would take long to ask for.
    for id in ids.iter().step_by(ids.len().div_ceil(500)) {
        let task = app.get(&format!("/tasks/{id}")).await.json();
        let why = &task["attempts"][0]["why"];
        assert!(versions.contains(&why["version"]) && why.get("fallback").is_none(), "{why}");
    }
    let swapped = app.policies().await["history"].as_array().unwrap().len();
    assert!(swapped > SWAPS as usize, "{swapped}");
    assert_eq!(app.lines_with("policy failed").len(), 0);
}
