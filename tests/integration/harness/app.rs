//! A balancer as a process.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::OnceLock;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::process::Process;
use super::{Answer, LB_KEY, TestWorker, WORKER_KEY, until};

/// A balancer as a process of its own, on a free port, with a workers file of its own.
pub(crate) struct TestApp {
    process: Process,
    /// Its base address.
    pub(crate) url: String,
    directory: TempDir,
    /// What it was started with.
    env: Vec<(String, String)>,
}

impl TestApp {
    /// Starts a balancer for these workers, and waits until it sees all of them ready.
    pub(crate) async fn start(workers: &[&TestWorker]) -> Self {
        Self::start_with(workers, &[]).await
    }

    /// The same, with further variables. Probes are frequent unless they say otherwise.
    pub(crate) async fn start_with(workers: &[&TestWorker], env: &[(&str, &str)]) -> Self {
        let urls: Vec<&str> = workers.iter().map(|worker| worker.url.as_str()).collect();
        let app = Self::start_for(&urls, env).await;
        app.ready(workers.len()).await;
        app
    }

    /// Starts a balancer for these addresses, and waits until it listens.
    pub(crate) async fn start_for(urls: &[&str], env: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("workers.json"), json!(urls).to_string()).unwrap();
        let mut all = vec![
            ("LB_AUTH_KEY", LB_KEY),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("WORKER_DISCOVERY_INTERVAL", "250"),
            ("WS_HEARTBEAT_INTERVAL", "250"),
            ("TASK_BACKOFF", "50"),
        ];
        all.retain(|(name, _)| !env.iter().any(|(other, _)| other == name));
        all.extend(env);
        let env: Vec<_> = all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let process = serve(&env, directory.path());
        let address = process.printed("listening address=").await;
        Self { process, url: format!("http://{address}"), directory, env }
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// `-STOP` and `-CONT`, for example.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts it anew in its directory, once its process has ended. It need not listen yet when this returns.
    pub(crate) fn launch(&mut self) {
        self.process = serve(&self.env, self.directory.path());
    }

    /// Starts it anew in its directory, on another port, once its process has ended.
    pub(crate) async fn restart(&mut self) {
        self.launch();
        self.listens().await;
    }

    /// The same with further variables from now on.
    pub(crate) async fn restart_with(&mut self, env: &[(&str, &str)]) {
        self.env.retain(|(name, _)| !env.iter().any(|(other, _)| other == name));
        self.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.restart().await;
    }

    /// Waits until it listens.
    pub(crate) async fn listens(&mut self) {
        self.url = format!("http://{}", self.process.printed("listening address=").await);
    }

    /// A second balancer with the same variables and in the same directory.
    pub(crate) fn second(&self) -> Process {
        serve(&self.env, self.directory.path())
    }

    /// Where it keeps its files.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Waits until that many workers are ready.
    pub(crate) async fn ready(&self, count: usize) {
        until(&format!("{count} ready workers"), || async {
            self.workers().await.iter().filter(|worker| worker["status"] == "ready").count() == count
        })
        .await;
    }

    /// The workers, as `/dashboard/api/workers` lists them.
    pub(crate) async fn workers(&self) -> Vec<Value> {
        self.get("/dashboard/api/workers").await.json().as_array().unwrap().clone()
    }

    /// What `/dashboard/api/workers` says of one worker.
    pub(crate) async fn worker(&self, url: &str) -> Value {
        self.workers().await.into_iter().find(|worker| worker["url"] == url).unwrap_or_default()
    }

    /// Waits until a worker has that status.
    pub(crate) async fn sees(&self, url: &str, status: &str) {
        until(&format!("{url} is {status}"), || async { self.worker(url).await["status"] == status }).await;
    }

    pub(crate) fn workers_file(&self) -> PathBuf {
        self.directory.path().join("workers.json")
    }

    /// Puts another list in the place of the workers file.
    pub(crate) fn list(&self, urls: &[&str]) {
        let new = self.directory.path().join("workers.json.new");
        std::fs::write(&new, json!(urls).to_string()).unwrap();
        std::fs::rename(new, self.workers_file()).unwrap();
    }

    /// A request with the key.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        client().request(method.parse().unwrap(), format!("{}{path}", self.url)).header("authorization", LB_KEY)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request("GET", path).send().await.unwrap()).await
    }

    /// `POST /task` with both keys.
    pub(crate) fn task(&self, body: &Value) -> RequestBuilder {
        self.request("POST", "/task").header("x-wr-auth", WORKER_KEY).json(body)
    }

    /// The same with this text as its body.
    pub(crate) fn task_text(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.request("POST", "/task").header("x-wr-auth", WORKER_KEY);
        request.header("content-type", "application/json").body(body)
    }

    /// Sends a task and reads the whole answer.
    pub(crate) async fn submit(&self, body: &Value) -> Answer {
        Answer::of(self.task(body).send().await.unwrap()).await
    }

    /// Sends a task without waiting for its answer. Aborting the handle closes the client's connection.
    pub(crate) fn spawn(&self, body: &Value) -> JoinHandle<Answer> {
        let request = self.task(body);
        tokio::spawn(async move { Answer::of(request.send().await.unwrap()).await })
    }

    /// Sends a task in mode `async`; gives its id.
    pub(crate) async fn accept(&self, body: &Value) -> String {
        let answer = self.submit(&with(body.clone(), json!({ "mode": "async" }))).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.task_id()
    }

    /// Waits until that many tasks wait in the lane of that group.
    pub(crate) async fn waiting(&self, group: &str, count: u64) {
        let metric = format!("andera_lb_lane_queued{{group=\"{group}\",contract=\"1\"}}");
        until(&format!("{metric} is {count}"), || async { self.metric(&metric).await == count }).await;
    }

    /// The value of a metric, with its labels; 0 if there is none.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let metrics = self.get("/metrics").await;
        let value = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// A task for group `default`, contract 1.
    pub(crate) fn call(function: &str, input: &Value) -> Value {
        json!({ "group": "default", "contract": 1, "function": function, "input": input })
    }

    /// The task as `GET /tasks/{id}` shows it now.
    pub(crate) async fn shown(&self, id: &str) -> Value {
        self.get(&format!("/tasks/{id}")).await.json()
    }

    /// The task as `GET /tasks/{id}` shows it, once it has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        self.get(&format!("/tasks/{id}?wait=60s")).await.json()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.process.lines()
    }

    /// The lines it has printed that contain this.
    pub(crate) fn lines_with(&self, part: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains(part)).collect()
    }

    /// Waits until it has printed this.
    pub(crate) async fn prints(&self, part: &str) {
        self.process.printed(part).await;
    }

    /// SIGTERM: the drain begins.
    pub(crate) fn terminate(&self) {
        self.process.signal("-TERM");
    }

    /// SIGINT.
    pub(crate) fn interrupt(&self) {
        self.process.signal("-INT");
    }

    pub(crate) async fn exited(&mut self) -> ExitStatus {
        self.process.ended().await
    }
}

fn serve(env: &[(String, String)], directory: &Path) -> Process {
    let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Process::start(&["serve"], &env, directory)
}

/// The body with further fields.
pub(crate) fn with(mut body: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("{fields} is no object") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// One client for all tests.
pub(crate) fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let make = || {
        andera_lb::upstream::install_crypto_provider();
        // Runtimes come and go with the tests: no connection may outlive its own.
        Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
    };
    CLIENT.get_or_init(make).clone()
}
