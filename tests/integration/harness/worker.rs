//! A sample worker as a process.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::process::Process;
use super::{Answer, LB_KEY, WORKER_KEY, until};

/// A sample worker as a process of its own, on free ports, with a ledger of what it ran.
pub(crate) struct TestWorker {
    process: Process,
    /// Its base address.
    pub(crate) url: String,
    directory: TempDir,
}

impl TestWorker {
    /// Starts one with further arguments, such as `["--slots", "2"]`. It listens when this returns.
    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::start_on("0", args).await
    }

    /// Starts one on a given port.
    pub(crate) async fn start_on(port: &str, args: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = directory.path().join("ledger");
        let mut all = vec!["worker", "--port", port, "--ws-port", "0", "--ledger", ledger.to_str().unwrap()];
        if !args.contains(&"--auth-key") {
            all.extend(["--auth-key", WORKER_KEY]);
        }
        if !args.contains(&"--lb-auth-key") {
            all.extend(["--lb-auth-key", LB_KEY]);
        }
        all.extend(args);
        let process = Process::start(&all, &[], directory.path());
        let url = process.printed("listening on ").await;
        Self { process, url, directory }
    }

    /// Its port.
    pub(crate) fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap()
    }

    fn ledger_file(&self) -> PathBuf {
        self.directory.path().join("ledger")
    }

    /// The events of its ledger, oldest first: `{event: start|end|refused, taskId, function, priority, at, ok}`.
    pub(crate) fn ledger(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.ledger_file()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How many runs have begun.
    pub(crate) fn started(&self) -> usize {
        self.order().len()
    }

    /// Waits until that many runs have begun.
    pub(crate) async fn has_started(&self, count: usize) {
        until(&format!("{count} runs begun at {}", self.url), || async { self.started() >= count }).await;
    }

    /// The tasks whose runs have begun, in order.
    pub(crate) fn order(&self) -> Vec<String> {
        let starts = self.ledger().into_iter().filter(|event| event["event"] == "start");
        starts.map(|event| event["taskId"].as_str().unwrap().to_owned()).collect()
    }

    /// The most runs there were at once.
    pub(crate) fn peak(&self) -> usize {
        let (mut running, mut peak) = (0_usize, 0);
        for event in self.ledger() {
            match event["event"].as_str() {
                Some("start") => running += 1,
                Some("end") => running -= 1,
                _ => {}
            }
            peak = peak.max(running);
        }
        peak
    }

    /// The time of the nth event of that name, in milliseconds.
    pub(crate) fn time_of(&self, event: &str, n: usize) -> i64 {
        let mut events = self.ledger().into_iter().filter(|entry| entry["event"] == event);
        events.nth(n).unwrap()["at"].as_i64().unwrap()
    }

    /// Sends a task past the balancer.
    pub(crate) fn spawn_past_the_balancer(&self, body: &Value) -> JoinHandle<Answer> {
        let request = super::app::client().post(format!("{}/task", self.url)).header("authorization", WORKER_KEY);
        let request = request.header("x-lb-auth", LB_KEY).json(body);
        tokio::spawn(async move { Answer::of(request.send().await.unwrap()).await })
    }

    /// `-STOP` and `-CONT`, for example.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Dies without a word.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// `POST /on` or `/off`.
    pub(crate) async fn switch(&self, path: &str) {
        let request = super::app::client().post(format!("{}{path}", self.url)).header("authorization", WORKER_KEY);
        assert!(request.send().await.unwrap().status().is_success());
    }
}
