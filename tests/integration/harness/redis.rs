//! A Redis as a process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use super::until;

/// Where balancers tell each other something.
const CHANNEL: &str = "bull:andera-events";

/// A Redis of its own on a free port, which keeps all it is told in a folder of its own. It is gone when dropped.
pub(crate) struct Redis {
    child: Child,
    port: u16,
    directory: TempDir,
    /// `QUEUE=redis` and what goes with it.
    env: Vec<(String, String)>,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further arguments.
    pub(crate) async fn start_with(args: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = serve(port, &directory, args);
        let url = format!("redis://127.0.0.1:{port}");
        let env = [("QUEUE", "redis"), ("REDIS_URL", &url)];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let redis = Self { child, port, directory, env };
        redis.answers().await;
        redis
    }

    /// The variables of a balancer on it, and further ones.
    pub(crate) fn env<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = self.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.chain(more.iter().copied()).collect()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it anew with what it kept, once it has ended.
    pub(crate) async fn restart(&mut self) {
        self.child = serve(self.port, &self.directory, &[]);
        self.answers().await;
    }

    /// Loses all it has kept.
    pub(crate) fn lose_everything(&mut self) {
        self.directory = tempfile::tempdir().unwrap();
    }

    /// `-STOP` and `-CONT`, for example.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Everything it has been told, as it keeps it.
    pub(crate) fn log(&self) -> Vec<u8> {
        let folder = self.directory.path().join("appendonlydir");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.flat_map(|file| std::fs::read(file).unwrap()).collect()
    }

    async fn answers(&self) {
        until("redis-server answers", || async {
            let client = ::redis::Client::open(("127.0.0.1", self.port)).unwrap();
            let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return false };
            ::redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
        })
        .await;
    }

    /// Says something to it, and gives what it answers.
    pub(crate) async fn command(&self, words: &[&str]) -> Option<String> {
        self.answer(words).await
    }

    /// The same for what is answered with a number.
    pub(crate) async fn number(&self, words: &[&str]) -> u64 {
        self.answer(words).await
    }

    /// The events in a stream, oldest first.
    pub(crate) async fn events(&self, stream: &str) -> Vec<HashMap<String, String>> {
        let events: Vec<(String, HashMap<String, String>)> = self.answer(&["XRANGE", stream, "-", "+"]).await;
        events.into_iter().map(|(_, event)| event).collect()
    }

    async fn answer<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = ::redis::Client::open(("127.0.0.1", self.port)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = ::redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query_async(&mut connection).await.unwrap()
    }

    /// What is published on the balancers' channel from now on.
    pub(crate) async fn messages(&self) -> impl Stream<Item = String> + Unpin + use<> {
        let client = ::redis::Client::open(("127.0.0.1", self.port)).unwrap();
        let mut subscription = client.get_async_pubsub().await.unwrap();
        subscription.subscribe(CHANNEL).await.unwrap();
        subscription.into_on_message().map(|message| message.get_payload().unwrap()).boxed()
    }

    /// Publishes something on that channel.
    pub(crate) async fn publish(&self, message: &str) {
        self.command(&["PUBLISH", CHANNEL, message]).await;
    }

    /// Runs a command of the real `BullMQ` (`tests/interop/bullmq.mjs`) on the queue of a lane, and reads the JSON it ends with.
    pub(crate) async fn bullmq(&self, queue: &str, command: &[&str]) -> Value {
        self.any_bullmq("bullmq", queue, command).await
    }

    /// The same of version 4.
    pub(crate) async fn bullmq4(&self, queue: &str, command: &[&str]) -> Value {
        self.any_bullmq("bullmq4", queue, command).await
    }

    async fn any_bullmq(&self, package: &str, queue: &str, command: &[&str]) -> Value {
        let mut node = Command::new("node");
        node.arg(interop().await.join("bullmq.mjs"))
            .args([package, &self.port.to_string(), "bull", queue])
            .args(command);
        let run = node.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(std::time::Duration::from_mins(1), run).await.expect("it ends").unwrap();
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command:?}: {said}{errors}");
        serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{said}{errors}"))
    }
}

fn serve(port: u16, directory: &TempDir, args: &[&str]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(directory.path())
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed")
}

/// The folder in which the npm packages are, installed once a test run.
pub(super) async fn interop() -> PathBuf {
    static INSTALLED: OnceCell<PathBuf> = OnceCell::const_new();
    static FILES: OnceLock<PathBuf> = OnceLock::new();
    let files = FILES.get_or_init(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop")));
    let install = async || {
        let folder = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/interop"));
        std::fs::create_dir_all(&folder).unwrap();
        let (lock, installed) = (files.join("package-lock.json"), folder.join("installed.json"));
        for file in ["package.json", "package-lock.json", "bullmq.mjs", "board.mjs"] {
            std::fs::copy(files.join(file), folder.join(file)).unwrap();
        }
        if std::fs::read(&installed).ok() != std::fs::read(&lock).ok() {
            // Not `ci`: that wants packages of every platform in the lock file.
            let npm = Command::new("npm")
                .args(["install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"])
                .current_dir(&folder)
                .stdout(Stdio::null())
                .status();
            assert!(npm.await.expect("npm is installed").success(), "npm install has failed");
            std::fs::copy(lock, installed).unwrap();
        }
        folder
    };
    INSTALLED.get_or_init(install).await.clone()
}
