//! The processes measured.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, sleep_until};

use crate::arguments::Plan;
use crate::child::Child;
use crate::cpu::Processes;
use crate::load::{self, TaskRequest, Window};
use crate::nginx;
use crate::report::Sample;

/// The names of what is measured, as the table shows them.
pub(crate) const WORKER: &str = "worker alone";
/// See [`WORKER`]. What the others are compared with.
pub(crate) const NGINX: &str = "nginx";
/// See [`WORKER`].
pub(crate) const BALANCER: &str = "andera-lb";

const WORKER_KEY: &str = "bench-worker-key";
const BALANCER_KEY: &str = "bench-balancer-key";
/// More than there are ever clients, so that nothing waits for a slot.
const SLOTS: &str = "256";
const BODY: &str = r#"{"group":"bench","function":"hello","contract":1,"input":{"name":"bench"}}"#;
/// How long a process may take to answer its first task.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The processes measured; they stop when it is dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) targets: Vec<Target>,
    // Dropped in this order, before the folder that they write to.
    balancer: Child,
    nginx: Child,
    worker: Child,
    _folder: TempDir,
}

/// Where tasks are sent to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    address: SocketAddr,
    request: TaskRequest,
}

impl Fleet {
    /// Starts all of them and waits until each has answered a task.
    pub(crate) async fn start(binary: &Path, nginx: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        // Under root, nginx's worker process is somebody else, who must get at its files.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let [worker_address, socket_address, nginx_address, balancer_address] = free_addresses()?;

        let worker_target = Target {
            name: WORKER,
            address: worker_address,
            request: request(worker_address, [("authorization", WORKER_KEY), ("x-lb-auth", BALANCER_KEY)])?,
        };
        let mut worker =
            Child::start("worker", &mut worker_command(binary, worker_address, socket_address), folder.path())?;
        wait_until_ready(&worker_target, &mut worker).await?;

        let nginx_target = Target { name: NGINX, address: nginx_address, ..worker_target.clone() };
        let mut command = nginx::command(nginx, folder.path(), nginx_address, worker_address)?;
        let mut nginx = Child::start("nginx", &mut command, folder.path())?;
        wait_until_ready(&nginx_target, &mut nginx).await?;

        let balancer_target = Target {
            name: BALANCER,
            address: balancer_address,
            request: request(balancer_address, [("authorization", BALANCER_KEY), ("x-wr-auth", WORKER_KEY)])?,
        };
        fs::write(folder.path().join("workers.json"), format!("[\"http://{worker_address}\"]"))?;
        let mut balancer = Child::start("balancer", &mut balancer_command(binary, balancer_address), folder.path())?;
        wait_until_ready(&balancer_target, &mut balancer).await?;

        Ok(Self {
            targets: vec![worker_target, nginx_target, balancer_target],
            balancer,
            nginx,
            worker,
            _folder: folder,
        })
    }

    /// One measurement of the target of that name.
    pub(crate) async fn measure(&mut self, name: &str, clients: u32, plan: &Plan) -> Result<Sample> {
        let target = self.targets.iter().find(|target| target.name == name).context("no such target")?;
        let proxy = match name {
            NGINX => Some(&self.nginx),
            BALANCER => Some(&self.balancer),
            _ => None,
        };
        let proxy = proxy.map(|child| Processes::with_children(child.id())).transpose()?;
        let worker = Processes::with_children(self.worker.id())?;

        let from = Instant::now() + plan.warm_up;
        let window = Window { from, to: from + plan.measured };
        let (latencies, cpu) = tokio::try_join!(
            load::run(target.address, &target.request, clients, window),
            CpuUse::within(window, proxy.as_ref(), &worker)
        )?;
        for child in [&mut self.worker, &mut self.nginx, &mut self.balancer] {
            child.ensure_running()?;
        }
        Sample::new(latencies, plan.measured, cpu)
    }
}

/// CPU time used within a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuUse {
    /// Of nginx or the balancer, if one is measured.
    pub(crate) proxy: Option<Duration>,
    pub(crate) worker: Duration,
    /// Of the load generator, this process.
    pub(crate) clients: Duration,
}

impl CpuUse {
    async fn within(window: Window, proxy: Option<&Processes>, worker: &Processes) -> Result<Self> {
        let clients = Processes::own();
        let read = || -> Result<Self> {
            Ok(Self {
                proxy: proxy.map(Processes::used).transpose()?,
                worker: worker.used()?,
                clients: clients.used()?,
            })
        };
        sleep_until(window.from).await;
        let before = read()?;
        sleep_until(window.to).await;
        let after = read()?;
        Ok(Self {
            proxy: after.proxy.zip(before.proxy).map(|(after, before)| after.saturating_sub(before)),
            worker: after.worker.saturating_sub(before.worker),
            clients: after.clients.saturating_sub(before.clients),
        })
    }
}

/// Waits until the target answers a task, which is what is measured, so nothing less will do.
async fn wait_until_ready(target: &Target, child: &mut Child) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        child.ensure_running()?;
        let Err(error) = load::run_one(target.address, &target.request, deadline).await else { return Ok(()) };
        if Instant::now() >= deadline {
            let output = child.last_output();
            return Err(
                error.context(format!("{} does not answer a task; its output:\n{output}\nthe last error", target.name))
            );
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn worker_command(binary: &Path, address: SocketAddr, socket_address: SocketAddr) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("worker")
        .args(["--port", &address.port().to_string(), "--ws-port", &socket_address.port().to_string()])
        .args(["--group", "bench", "--contract", "1", "--slots", SLOTS])
        .args(["--auth-key", WORKER_KEY, "--lb-auth-key", BALANCER_KEY])
        .env("LOG_LEVEL", "warn");
    command
}

fn balancer_command(binary: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .env("LB_AUTH_KEY", BALANCER_KEY)
        .env("HOST", address.ip().to_string())
        .env("PORT", address.port().to_string())
        .env("WORKERS_FILE", "workers.json")
        .env("QUEUE", "memory")
        .env("LOG_LEVEL", "warn");
    command
}

fn request(address: SocketAddr, keys: [(&str, &str); 2]) -> Result<TaskRequest> {
    let mut request = Request::post("/task")
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json");
    for (name, key) in keys {
        request = request.header(name, key);
    }
    Ok(request.body(Full::new(Bytes::from_static(BODY.as_bytes())))?)
}

/// Addresses nobody listens on at the moment.
fn free_addresses() -> Result<[SocketAddr; 4]> {
    let listener = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    // All are held until the last one is found, so that they differ.
    let held = [listener()?, listener()?, listener()?, listener()?];
    let [one, two, three, four] = held.each_ref().map(TcpListener::local_addr);
    Ok([one?, two?, three?, four?])
}
