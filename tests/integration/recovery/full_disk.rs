//! A full disk: a small file system of its own, which only root can make.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::call;
use crate::harness::{TestApp, TestWorker, until, with};

/// A file system in memory, gone when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path()));
        Self(directory)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the balancer that has files open there is about to be killed.
        run(Command::new("umount").arg("--lazy").arg(self.0.path()));
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}: this test is for root");
}

fn fill(path: &Path, bytes: usize) {
    std::fs::write(path, vec![1; bytes]).unwrap();
}

#[tokio::test]
#[ignore = "mounts a file system: make chaos, by root"]
async fn new_tasks_are_refused_what_runs_ends_and_it_heals_when_there_is_room() {
    let disk = SmallDisk::new("100m");
    fill(&disk.at("others"), 60 << 20);
    let worker = TestWorker::start(&["--slots", "4"]).await;
    let data = disk.at("data");
    let mut app = TestApp::start_with(&[&worker], &[("DATA_DIR", data.to_str().unwrap())]).await;
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(app.accept(&call("sleep", &json!({ "ms": 3_000 }), json!({}))).await);
    }
    worker.has_started(4).await;
    let large = call("echo", &json!({ "text": "x".repeat(200_000) }), json!({ "group": "nobody" }));
    let mut waiting = Vec::new();
    let refused = loop {
        let answer = app.submit(&large).await;
        if answer.status != 202 {
            break answer;
        }
        waiting.push(answer.task_id());
        assert!(waiting.len() < 400, "more than there is room for");
    };
    assert_eq!((refused.status, &refused.json()["code"]), (507, &json!("storage_full")), "{}", refused.text());
    let sync = app.submit(&with(large.clone(), json!({ "mode": "sync" }))).await;
    assert_eq!(sync.status, 507);
    for id in &running {
        assert_eq!(app.ended(id).await["state"], "completed", "what runs ends");
    }
    assert_eq!(app.submit(&large).await.status, 507);

    std::fs::remove_file(disk.at("others")).unwrap();
    until("it takes tasks again", || async { app.submit(&large).await.status == 202 }).await;
    app.kill().await;
    app.restart().await;
    for id in running.iter().chain(&waiting) {
        let task: Value = app.shown(id).await;
        let expected = if running.contains(id) { "completed" } else { "queued" };
        assert_eq!(task["state"], expected, "{task}");
    }
    app.kill().await;
}
