//! Policies in files: what they do to real traffic, and what bad ones cannot do.

mod bench;
mod changing;
mod control;
mod hostile;
mod rules;
mod shadow;

use std::path::Path;

use serde_json::json;

use self::bench::{LAST, app_with, echo};
use crate::guest::{FIRST, Guest};
use crate::harness::{Answer, TestWorker, WORKER_KEY, until, with};

/// Fails for every lane but that of the trial, which has number 1.
const FAILING: &str = "(if (i32.ne (i32.load (local.get $args)) (i32.const 1)) (then (unreachable)))";

/// Refuses submissions with a tenant, for a second and a half; gives all others priority 9.
const NO_TENANTS: &str = "(local $at i32)
    (local.set $at (call $alloc (i32.const 20)))
    (i32.store offset=4 (local.get $at) (i32.const 9))
    (if (i32.load8_u offset=80 (local.get $args)) (then
      (i32.store8 (local.get $at) (i32.const 1))
      (i32.store offset=4 (local.get $at) (i32.load offset=84 (local.get $args)))
      (i32.store offset=8 (local.get $at) (i32.load offset=88 (local.get $args)))
      (i32.store offset=12 (local.get $at) (i32.const 1))
      (i32.store offset=16 (local.get $at) (i32.const 1500))))
    (local.get $at)";

#[tokio::test]
async fn a_default_file_that_always_names_one_worker_shows_in_that_workers_ledger() {
    let (one, other) = (TestWorker::start(&["--slots", "4"]).await, TestWorker::start(&["--slots", "4"]).await);
    let app = app_with(&[("default.wasm", &Guest::ranker(LAST).module())], &[&one, &other], &[]).await;
    for _ in 0..20 {
        let answer = app.submit(&echo()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    // Ids follow the list.
    assert_eq!((one.started(), other.started()), (0, 20));
    assert_eq!(app.metric("andera_lb_policy_decisions_total{policy=\"wasm:default\"}").await, 20);
    let id = app.accept(&echo()).await;
    assert_eq!(app.ended(&id).await["attempts"][0]["why"]["policy"], "wasm:default");
    assert_eq!(app.lines_with("policy loaded").len(), 1);
}

#[tokio::test]
async fn a_policy_is_chosen_by_name_and_native_ones_leave_the_default_file_alone() {
    let worker = TestWorker::start(&[]).await;
    let first = Guest::ranker(FIRST).component();
    let files: [(&str, &[u8]); 2] = [("default.wasm", b"no policy at all"), ("first.wasm", &first)];
    for (policy, shown) in [("wasm:first", "wasm:first"), ("native:round-robin", "native:round-robin")] {
        let app = app_with(&files, &[&worker], &[("POLICY", policy)]).await;
        let id = app.accept(&echo()).await;
        assert_eq!(app.ended(&id).await["attempts"][0]["why"]["policy"], shown);
    }
}

#[tokio::test]
async fn every_task_is_served_while_the_policy_fails_and_the_history_says_why() {
    let worker = TestWorker::start(&["--slots", "4"]).await;
    let app =
        app_with(&[("default.wasm", &Guest::ranker(&format!("{FAILING} {FIRST}")).module())], &[&worker], &[]).await;
    let mut reasons = Vec::new();
    for _ in 0..8 {
        let id = app.accept(&echo()).await;
        let task = app.ended(&id).await;
        assert_eq!(task["state"], "completed");
        let why = &task["attempts"][0]["why"];
        assert_eq!(why["policy"], "native:least-loaded");
        reasons.push(why["fallback"].as_str().unwrap().to_owned());
    }
    assert_eq!(reasons[..5], ["trap"; 5]);
    assert_eq!(app.metric("andera_lb_policy_fallbacks_total{policy=\"wasm:default\",reason=\"trap\"}").await, 5);
    assert_eq!(app.lines_with("the policy keeps failing and is left alone").len(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_policy_does_not_keep_the_balancer_from_its_work() {
    let worker = TestWorker::start(&[]).await;
    let app = app_with(&[("default.wasm", b"#!/bin/sh\n")], &[&worker], &[]).await;
    let id = app.accept(&echo()).await;
    let task = app.ended(&id).await;
    assert_eq!(task["attempts"][0]["why"]["fallback"], "not_loaded");
    assert_eq!(app.metric("andera_lb_policy_fallbacks_total{policy=\"wasm:default\",reason=\"not_loaded\"}").await, 1);
    assert_eq!(app.lines_with("it is no WebAssembly file").len(), 1);
}

#[tokio::test]
async fn a_policy_sets_priorities_and_refuses_submissions() {
    let worker = TestWorker::start(&[]).await;
    let guest = Guest::default().and_priority(NO_TENANTS).module();
    let app = app_with(&[("default.wasm", &guest)], &[&worker], &[]).await;
    let id = app.accept(&echo()).await;
    assert_eq!(app.ended(&id).await["priority"], 9);

    let refused = with(echo(), json!({ "options": { "tenant": "acme" } }));
    let answer = app.submit(&refused).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (429, Some("policy_rejected")), "{}", answer.text());
    assert_eq!(answer.json()["error"], "acme");
    assert_eq!(answer.header("retry-after"), Some("2"));

    let items = [with(refused, json!({ "mode": "async" })), with(echo(), json!({ "mode": "async" }))];
    let batch = app.request("POST", "/tasks").header("x-wr-auth", WORKER_KEY).json(&items);
    let batch = Answer::of(batch.send().await.unwrap()).await;
    assert!(batch.text().contains("policy_rejected"), "{}", batch.text());
    until("two tasks have run", || async { worker.started() == 2 }).await;
}

#[tokio::test]
async fn a_policy_is_told_of_workers_and_of_attempts_that_have_ended() {
    let worker = TestWorker::start(&[]).await;
    let guest = Guest::ranker(FIRST)
        .and_feedback("(call $log (i32.const 1) (i32.const 128) (i32.const 13))")
        .and_setup(
            false,
            "(call $fine)",
            // The address of the first worker.
            "(if (local.get $count) (then (call $log (i32.const 1)
               (i32.load offset=4 (local.get $workers)) (i32.load offset=8 (local.get $workers)))))",
        )
        .with("(data (i32.const 128) \"an attempt :)\")")
        .and_log();
    let app = app_with(&[("default.wasm", &guest.module())], &[&worker], &[]).await;
    let lines =
        |text: &str| app.lines_with(text).into_iter().filter(|line| line.contains("policy=wasm:default")).count();
    until("it was told of the worker", || async { lines(&worker.url) > 0 }).await;
    let before = lines("an attempt :)");
    assert_eq!(app.submit(&echo()).await.status, 200);
    until("it was told of the attempt", || async { lines("an attempt :)") > before }).await;
}

#[tokio::test]
async fn submissions_are_refused_while_the_policy_fails_if_that_is_wanted() {
    let worker = TestWorker::start(&[]).await;
    let env = [("POLICY_ON_FAILURE", "reject")];
    let app = app_with(&[("default.wasm", b"broken")], &[&worker], &env).await;
    let answer = app.submit(&echo()).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("policy_failed")));
    assert_eq!(app.metric("andera_lb_tasks_submitted_total{mode=\"sync\"}").await, 0);
    assert_eq!(worker.started(), 0);
}

#[tokio::test]
async fn compiled_code_is_kept_in_a_directory_of_the_balancer_alone() {
    use std::os::unix::fs::PermissionsExt;
    let worker = TestWorker::start(&[]).await;
    let data = tempfile::tempdir().unwrap();
    let env = [("DATA_DIR", data.path().to_str().unwrap())];
    let app = app_with(&[("default.wasm", &Guest::ranker(FIRST).module())], &[&worker], &env).await;
    assert_eq!(app.submit(&echo()).await.status, 200);
    let cache = data.path().join("policies-cache");
    assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    until("there is a file in it", || async { files_in(&cache) > 0 }).await;
}

fn files_in(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_in(&path) } else { 1 }).sum()
}
