//! Many workers in one process.

use std::collections::HashSet;
use std::process::Command;

use parking_lot::Mutex;
use serde_json::json;

use crate::harness::{LB_KEY, Process, TestApp, WORKER_KEY, until_some};

const COUNT: usize = 60;
const KEYS: [&str; 4] = ["--auth-key", WORKER_KEY, "--lb-auth-key", LB_KEY];

#[tokio::test]
async fn each_of_many_workers_in_one_process_is_one_for_the_balancer() {
    let directory = tempfile::tempdir().unwrap();
    let count = COUNT.to_string();
    let all = ["worker", "--port", "0", "--ws-port", "0", "--count", &count, "--list", "list.json", "--slots", "1"];
    let _process = Process::start(&[&all[..], &KEYS].concat(), &[], directory.path());
    let urls: Vec<String> = until_some("the list is written", || async {
        serde_json::from_slice(&std::fs::read(directory.path().join("list.json")).ok()?).ok()
    })
    .await;
    assert_eq!(urls.iter().collect::<HashSet<_>>().len(), COUNT);
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let app = TestApp::start_for(&urls, &[]).await;
    app.ready(COUNT).await;
    // Each has one slot, and all of them run at once: so each runs one.
    let tasks: Vec<_> = (0..COUNT).map(|_| app.spawn(&TestApp::call("sleep", &json!({ "ms": 4_000 })))).collect();
    let busy = Mutex::new(HashSet::new());
    until_some("every worker reports its task over its own WebSocket", || async {
        let workers = app.workers().await;
        let used = workers.iter().filter(|worker| worker["slots"]["used"] == 1);
        let mut busy = busy.lock();
        busy.extend(used.map(|worker| worker["url"].as_str().unwrap().to_owned()));
        (busy.len() == COUNT).then_some(())
    })
    .await;
    for task in tasks {
        assert_eq!(task.await.unwrap().status, 200);
    }
}

#[test]
fn a_limit_of_open_files_that_is_too_low_is_said_with_what_is_needed() {
    let worker = format!(
        "ulimit -n 150 && exec {} worker --port 0 --ws-port 0 --count 100 {}",
        env!("CARGO_BIN_EXE_andera-lb"),
        KEYS.join(" ")
    );
    let output = Command::new("sh").args(["-c", &worker]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("100 workers need 600 open files"), "{said}");
    assert!(said.contains("may have 150"), "{said}");
}
