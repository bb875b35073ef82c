//! The balancer, and the workers in one process beside it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::arguments::Plan;
use crate::child::Child;
use crate::cpu::Processes;
use crate::load::{self, TaskRequest};
use crate::programs::{self, BALANCER_KEY, WORKER_KEY};
use crate::sample_worker;

const START_TIMEOUT: Duration = Duration::from_mins(2);
/// Nothing is heard of the tasks for so long: something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);
/// Tasks of one batch.
const BATCH: usize = 2_000;

/// Everything that runs; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) address: SocketAddr,
    client: Client,
    // Dropped in this order, before the folder that they write to.
    balancer: Child,
    simulator: Child,
    _folder: TempDir,
}

/// CPU time used within a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuUse {
    pub(crate) balancer: Duration,
    pub(crate) simulator: Duration,
    /// Of this process.
    pub(crate) clients: Duration,
}

impl Scene {
    /// Starts both and waits until the balancer sees every worker ready.
    pub(crate) async fn start(binary: &Path, plan: &Plan) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let simulator = Child::start("workers", &mut workers(binary, plan.workers), folder.path())?;
        andera_lb::upstream::install_crypto_provider();
        let client = Client::builder().no_proxy().build()?;
        let list = folder.path().join("workers.json");
        let deadline = Instant::now() + START_TIMEOUT;
        let mut scene = {
            let mut simulator = simulator;
            while !list.exists() {
                simulator.ensure_running()?;
                ensure!(Instant::now() < deadline, "the workers do not start:\n{}", simulator.last_output());
                sleep(Duration::from_millis(50)).await;
            }
            let balancer = Child::start("balancer", &mut balancer(binary, address, &plan.queue), folder.path())?;
            Self { address, client, balancer, simulator, _folder: folder }
        };
        while scene.ready().await != usize::from(plan.workers) {
            scene.are_running()?;
            ensure!(Instant::now() < deadline, "not all workers are ready:\n{}", scene.balancer.last_output());
            sleep(Duration::from_millis(200)).await;
        }
        load::run_one(address, &scene.task()?, deadline).await.context("the first task")?;
        Ok(scene)
    }

    fn are_running(&mut self) -> Result<()> {
        self.balancer.ensure_running()?;
        self.simulator.ensure_running()
    }

    async fn ready(&self) -> usize {
        let workers = self.get("/dashboard/api/workers").await.unwrap_or_default();
        workers.as_array().map_or(0, |all| all.iter().filter(|worker| worker["status"] == "ready").count())
    }

    /// What the balancer answers.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let request = self.client.get(format!("http://{}{path}", self.address)).header("authorization", BALANCER_KEY);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Runs tasks until that many have ended and are kept.
    pub(crate) async fn fill(&mut self, tasks: usize) -> Result<()> {
        let mut sent = 0;
        while sent < tasks {
            let count = BATCH.min(tasks - sent);
            let batch: Vec<Value> = (sent..sent + count).map(body_of).collect();
            let url = format!("http://{}/tasks", self.address);
            let request = self.client.post(url).header("authorization", BALANCER_KEY).header("x-wr-auth", WORKER_KEY);
            request.json(&batch).send().await?.error_for_status().context("a batch of tasks")?;
            sent += count;
        }
        let (mut before, mut moved) = (0, Instant::now());
        loop {
            self.are_running()?;
            let ended = self.ended().await?;
            if ended >= tasks {
                return Ok(());
            }
            if ended > before {
                (before, moved) = (ended, Instant::now());
            }
            ensure!(moved.elapsed() < PATIENCE, "only {ended} of {tasks} tasks have ended");
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn ended(&self) -> Result<usize> {
        let lanes = self.get("/lanes").await?;
        let lane = lanes.as_array().and_then(|lanes| lanes.first()).context("there is no lane")?;
        let count = |state: &str| lane[state].as_u64().or_else(|| lane["counts"][state].as_u64()).unwrap_or(0);
        Ok(usize::try_from(count("completed") + count("failed"))?)
    }

    /// What all of it uses while nobody sends tasks and no page is open.
    pub(crate) async fn idle(&mut self, length: Duration) -> Result<CpuUse> {
        let before = self.cpu()?;
        sleep(length).await;
        self.are_running()?;
        Ok(self.cpu()?.since(before))
    }

    /// CPU time used so far.
    pub(crate) fn cpu(&self) -> Result<CpuUse> {
        Ok(CpuUse {
            balancer: Processes::with_children(self.balancer.id())?.used()?,
            simulator: Processes::with_children(self.simulator.id())?.used()?,
            clients: Processes::own().used()?,
        })
    }

    /// The request of a task.
    pub(crate) fn task(&self) -> Result<TaskRequest> {
        let request = Request::post("/task")
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .header("authorization", BALANCER_KEY)
            .header("x-wr-auth", WORKER_KEY);
        Ok(request.body(Full::new(Bytes::from(serde_json::to_vec(&body_of(0))?)))?)
    }
}

impl CpuUse {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            balancer: self.balancer.saturating_sub(before.balancer),
            simulator: self.simulator.saturating_sub(before.simulator),
            clients: self.clients.saturating_sub(before.clients),
        }
    }
}

/// A task; one in a hundred fails, so that there is something to look for.
fn body_of(n: usize) -> Value {
    if n % 100 == 99 {
        return json!({
            "group": "bench", "contract": 1, "function": "fail", "mode": "async",
            "input": { "message": "as it was told" }, "options": { "attempts": 1 },
        });
    }
    let mode = if n == 0 { "sync" } else { "async" };
    json!({ "group": "bench", "contract": 1, "function": "hello", "mode": mode, "input": { "name": format!("bench {n}") } })
}

fn workers(binary: &Path, count: u16) -> Command {
    let mut command = sample_worker::command(binary);
    command.args(["--port", "0", "--ws-port", "0", "--list", "workers.json", "--count", &count.to_string()]).args([
        "--slots",
        "8",
        "--tag",
        "zone=bench",
    ]);
    command
}

fn balancer(binary: &Path, address: SocketAddr, queue: &str) -> Command {
    let mut command = programs::balancer(binary, address);
    command.env("QUEUE", queue).env("DATA_DIR", "data");
    command
}
