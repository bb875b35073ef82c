//! Starts what is measured.

use std::cell::Cell;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::ask::ask;
use crate::child::Child;
use crate::contender::{Contender, DIRECT, NGINX};
use crate::redis::Redis;
use crate::{load, nginx, programs, task};

/// How long a process may take until it can do its work.
const START_TIMEOUT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Slots of a worker that is alone: more than there are ever clients, so that nothing waits for one.
pub(crate) const MANY_SLOTS: &str = "1024";
/// Slots of a worker that is one of many.
pub(crate) const FEW_SLOTS: &str = "8";

/// A folder for what is started. Make it before everything that is started in it, and it goes last.
#[derive(Debug)]
pub(crate) struct Stage {
    binary: PathBuf,
    folder: TempDir,
    started: Cell<u32>,
}

/// The fast workers of one process.
#[derive(Debug)]
pub(crate) struct Workers {
    pub(crate) process: Child,
    /// Their addresses, as a list of workers has them.
    pub(crate) list: Vec<String>,
}

#[derive(Deserialize)]
struct Lane {
    workers: usize,
}

impl Stage {
    /// For balancers of that program.
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        // Under root, nginx's worker process is somebody else, who must get at its files.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        // Programs are started in that folder.
        let binary = binary.canonicalize().with_context(|| format!("there is no {}", binary.display()))?;
        Ok(Self { binary, folder, started: Cell::new(0) })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One worker with [`MANY_SLOTS`].
    pub(crate) async fn worker(&self) -> Result<Workers> {
        self.workers(1, 1, MANY_SLOTS).await
    }

    /// Starts so many workers of so many lanes; the slots of each, or of the first, the second and so on, separated by commas.
    pub(crate) async fn workers(&self, count: u32, groups: u32, slots: &str) -> Result<Workers> {
        let name = self.next_name("workers");
        let list = self.folder().join(format!("{name}.json"));
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["worker", "--count", &count.to_string(), "--groups", &groups.to_string(), "--slots", slots]);
        command.arg("--list").arg(&list);
        let mut process = Child::start(&name, &mut command, self.folder())?;
        let deadline = Instant::now() + START_TIMEOUT;
        while !list.exists() {
            process.ensure_running()?;
            ensure!(Instant::now() < deadline, "the workers do not start:\n{}", process.last_output());
            sleep(PAUSE).await;
        }
        Ok(Workers { process, list: serde_json::from_slice(&fs::read(&list)?)? })
    }

    /// nginx before that worker, once it has answered a task.
    pub(crate) async fn nginx(&self, nginx: &Path, worker: &Workers) -> Result<Contender> {
        let address = free_address()?;
        let mut command = nginx::command(nginx, self.folder(), address, worker.address()?)?;
        let mut process = Child::start("nginx", &mut command, self.folder())?;
        let mut contender = worker.directly()?;
        (contender.name, contender.address) = (NGINX.to_owned(), address);
        let request = contender.request(task::hello(0))?;
        let deadline = Instant::now() + START_TIMEOUT;
        while let Err(error) = load::run_one(address, &request, deadline).await {
            process.ensure_running()?;
            if Instant::now() > deadline {
                return Err(error.context(format!("nginx does not answer:\n{}", process.last_output())));
            }
            sleep(PAUSE).await;
        }
        Ok(Contender { proxy: Some(process), ..contender })
    }

    /// A balancer with these workers and settings, once it sees all of them ready.
    pub(crate) async fn balancer(&self, name: &str, workers: &[String], env: &[(&str, &str)]) -> Result<Contender> {
        let mut contender = self.unready_balancer(name, workers, env)?;
        let deadline = Instant::now() + START_TIMEOUT;
        // Where there are no workers, no lane says anything.
        while ready(contender.address).await != Some(workers.len()) {
            contender.ensure_running()?;
            ensure!(Instant::now() < deadline, "{name}: not all of {} workers are ready", workers.len());
            sleep(PAUSE).await;
        }
        Ok(contender)
    }

    /// The same, as soon as its process has been started.
    pub(crate) fn unready_balancer(&self, name: &str, workers: &[String], env: &[(&str, &str)]) -> Result<Contender> {
        let address = free_address()?;
        let process_name = self.next_name("balancer");
        let list = format!("{process_name}.json");
        fs::write(self.folder().join(&list), serde_json::to_vec(workers)?)?;
        let mut command = programs::balancer(&self.binary, address);
        command
            .env("WORKERS_FILE", list)
            .env("DATA_DIR", format!("{process_name}-data"))
            .env("MAX_QUEUED_TASKS", "2000000")
            .envs(env.iter().copied());
        let proxy = Some(Child::start(&process_name, &mut command, self.folder())?);
        Ok(Contender { name: name.to_owned(), address, path: "/task", is_balancer: true, proxy, redis: None })
    }

    /// A balancer on a Redis of its own.
    pub(crate) async fn balancer_on_redis(&self, name: &str, workers: &[String]) -> Result<Contender> {
        let address = free_address()?;
        let redis = Redis::start(self.folder(), address.port()).await?;
        let env = [("QUEUE", "redis"), ("REDIS_URL", &*redis.url)];
        let balancer = self.balancer(name, workers, &env).await?;
        Ok(Contender { redis: Some(redis), ..balancer })
    }

    fn next_name(&self, of: &str) -> String {
        let n = self.started.get();
        self.started.set(n + 1);
        format!("{of}-{n}")
    }
}

impl Workers {
    /// Where the first one takes tasks.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let first = self.list.first().context("there is no worker")?;
        Ok(first.trim_start_matches("http://").parse()?)
    }

    /// The first one, asked without anything in between.
    pub(crate) fn directly(&self) -> Result<Contender> {
        Ok(Contender {
            name: DIRECT.to_owned(),
            address: self.address()?,
            path: "/task",
            is_balancer: false,
            proxy: None,
            redis: None,
        })
    }
}

/// How many workers the balancer sees ready, once it answers.
async fn ready(address: SocketAddr) -> Option<usize> {
    let lanes = ask(address, Method::GET, "/lanes", Bytes::new()).await.ok()?;
    let lanes: Vec<Lane> = serde_json::from_slice(&lanes).ok()?;
    Some(lanes.iter().map(|lane| lane.workers).sum())
}

/// An address nobody listens on at the moment.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
