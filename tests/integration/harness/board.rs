//! The real bull-board as a process.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Redis;
use super::app::client;
use super::redis::interop;

/// The real bull-board over queues of a Redis (`tests/interop/board.mjs`). It is gone when dropped.
pub(crate) struct Board {
    _process: Child,
    address: String,
}

impl Board {
    pub(crate) async fn start(redis: &Redis, queues: &[&str]) -> Self {
        let mut node = Command::new("node");
        node.arg(interop().await.join("board.mjs")).args([&redis.port().to_string(), "bull"]).args(queues);
        let mut process = node.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = tokio::time::timeout(Duration::from_mins(1), said.next_line()).await;
        let address = address.expect("it starts").unwrap().expect("it says its address");
        Self { _process: process, address }
    }

    /// What its own API answers to a GET.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask("GET", path).await
    }

    /// What it answers; null if that is no JSON.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Value {
        let request = client().request(method.parse().unwrap(), format!("{}{path}", self.address));
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}
