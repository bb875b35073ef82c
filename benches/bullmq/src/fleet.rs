//! Redis, and balancers on it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::child::Child;
use crate::cpu::Processes;
use crate::load::{self, TaskRequest, Window};
use crate::programs::{self, BALANCER_KEY, WORKER_KEY};
use crate::report::Sample;
use crate::sample_worker;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const BODY: &str = r#"{"group":"bench","function":"hello","contract":1,"input":{"name":"bench"}}"#;

/// A Redis without persistence; it stops when this is dropped.
pub(crate) struct Redis {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let process = Child::start("redis", &mut command, folder.path()).context("redis-server is needed")?;
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            anyhow::ensure!(Instant::now() < deadline, "Redis does not listen: {}", process.last_output());
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, port, _folder: folder })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        Processes::with_children(self.process.id())?.used()
    }
}

/// Balancers that share a Redis, and a worker.
pub(crate) struct Fleet {
    balancers: Vec<(SocketAddr, Child)>,
    _worker: Child,
    redis: Redis,
    _folder: TempDir,
}

impl Fleet {
    pub(crate) async fn start(binary: &Path, count: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let redis = Redis::start().await?;
        let (port, socket_port) = (free_port()?.to_string(), free_port()?.to_string());
        let mut command = sample_worker::command(binary);
        command.args(["--port", &port, "--ws-port", &socket_port, "--slots", "256"]);
        let worker = Child::start("worker", &mut command, folder.path())?;
        fs::write(folder.path().join("workers.json"), format!("[\"http://127.0.0.1:{port}\"]"))?;
        let mut balancers = Vec::new();
        for n in 0..count {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
            let mut command = programs::balancer(binary, address);
            command.env("QUEUE", "redis").env("REDIS_URL", redis.url()).env("DATA_DIR", format!("data-{n}"));
            balancers.push((address, Child::start(&format!("balancer-{n}"), &mut command, folder.path())?));
        }
        for (address, balancer) in &balancers {
            let deadline = Instant::now() + START_TIMEOUT;
            while let Err(error) = load::run_one(*address, &request(*address)?, deadline).await {
                if Instant::now() >= deadline {
                    return Err(error.context(balancer.last_output()));
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(Self { balancers, _worker: worker, redis, _folder: folder })
    }

    /// The clients are spread over the balancers.
    pub(crate) async fn measure(&mut self, clients: u32, window: Window) -> Result<Sample> {
        let mut running = JoinSet::new();
        let count = u32::try_from(self.balancers.len())?;
        for ((address, _), n) in self.balancers.iter().zip(0..) {
            let (address, request) = (*address, request(*address)?);
            let clients = clients / count + u32::from(n < clients % count);
            running.spawn(async move { load::run(address, &[request], clients.max(1), window).await });
        }
        let balancers =
            self.balancers.iter().map(|(_, child)| Processes::with_children(child.id())).collect::<Result<Vec<_>>>()?;
        let used = || balancers.iter().map(Processes::used).sum::<Result<Duration>>();
        sleep_until(window.from).await;
        let (redis, before) = (self.redis.cpu()?, used()?);
        sleep_until(window.to).await;
        let (redis, used) = (self.redis.cpu()?.saturating_sub(redis), used()?.saturating_sub(before));
        let mut tasks = 0;
        while let Some(latencies) = running.join_next().await {
            tasks += latencies??.len();
        }
        for (_, balancer) in &mut self.balancers {
            balancer.ensure_running()?;
        }
        Ok(Sample::new(tasks, window.to - window.from, redis, used))
    }
}

pub(crate) fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

fn request(address: SocketAddr) -> Result<TaskRequest> {
    let request = Request::post("/task")
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, BALANCER_KEY)
        .header("x-wr-auth", WORKER_KEY);
    Ok(request.body(Full::new(Bytes::from_static(BODY.as_bytes())))?)
}

/// A port nobody listens on at the moment.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
