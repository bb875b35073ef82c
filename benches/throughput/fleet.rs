//! The processes measured.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
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
use crate::programs::{self, BALANCER_KEY, WORKER_KEY};
use crate::report::Sample;

/// The names of what is measured, as the table shows them.
const WORKER: &str = "worker alone";
pub(crate) const NGINX: &str = "nginx";
const BALANCER: &str = "andera-lb";

/// More than there are ever clients, so that nothing waits for a slot.
const SLOTS: &str = "256";
const BODY: &str = r#"{"group":"bench","function":"hello","contract":1,"input":{"name":"bench"}}"#;
/// How long a process may take to answer its first task.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The processes measured; they stop when it is dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) targets: Vec<Target>,
    /// Which of the targets the others are compared with.
    pub(crate) base: usize,
    // Dropped in this order, before the folder that they write to.
    proxies: Vec<Child>,
    worker: Child,
    folder: TempDir,
}

/// Where tasks are sent to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    address: SocketAddr,
    request: TaskRequest,
    /// Which of the proxies it is, if it is one.
    proxy: Option<usize>,
}

/// What is measured beside what.
#[derive(Debug)]
pub(crate) enum Contest {
    /// The worker alone, this nginx, and the balancer with its queue in memory.
    Nginx(PathBuf),
    /// Balancers with these queues.
    Queues(Vec<String>),
    /// Balancers with these policies.
    Policies(Vec<String>),
}

impl Fleet {
    /// Starts all of them and waits until each has answered a task.
    pub(crate) async fn start(binary: &Path, contest: &Contest) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        // Under root, nginx's worker process is somebody else, who must get at its files.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let [worker_address, socket_address] = free_addresses()?;
        fs::write(folder.path().join("workers.json"), format!("[\"http://{worker_address}\"]"))?;

        let worker_target = Target {
            name: WORKER.to_owned(),
            address: worker_address,
            request: request(worker_address, [("authorization", WORKER_KEY), ("x-lb-auth", BALANCER_KEY)])?,
            proxy: None,
        };
        let mut command = programs::worker(binary);
        let (port, socket_port) = (worker_address.port().to_string(), socket_address.port().to_string());
        command.args(["--port", &port, "--ws-port", &socket_port, "--slots", SLOTS]);
        let mut worker = Child::start("worker", &mut command, folder.path())?;
        wait_until_ready(&worker_target, &mut worker).await?;

        let mut fleet = Self { targets: Vec::new(), base: 0, proxies: Vec::new(), worker, folder };
        match contest {
            Contest::Nginx(nginx) => {
                fleet.targets.push(worker_target.clone());
                fleet.base = 1;
                fleet.add_nginx(nginx, &worker_target).await?;
                fleet.add_balancer(binary, BALANCER.to_owned(), &[("QUEUE", "memory")]).await?;
            }
            Contest::Queues(queues) => {
                for (n, queue) in queues.iter().enumerate() {
                    let same = queues[..n].iter().filter(|other| *other == queue).count();
                    let nth = if same == 0 { String::new() } else { format!(" ({})", same + 1) };
                    fleet.add_balancer(binary, format!("QUEUE={queue}{nth}"), &[("QUEUE", queue)]).await?;
                }
            }
            Contest::Policies(policies) => {
                for (n, policy) in policies.iter().enumerate() {
                    fleet.add_policy(binary, policy, n).await?;
                }
            }
        }
        Ok(fleet)
    }

    async fn add_nginx(&mut self, nginx: &Path, worker: &Target) -> Result<()> {
        let [address] = free_addresses()?;
        let target = Target { name: NGINX.to_owned(), address, ..worker.clone() };
        let mut command = nginx::command(nginx, self.folder.path(), address, worker.address)?;
        self.add(target, &mut command).await
    }

    /// A balancer with that policy: a value of `POLICY`, or a file.
    async fn add_policy(&mut self, binary: &Path, policy: &str, n: usize) -> Result<()> {
        let directory = format!("policies-{n}");
        let mut chosen = policy;
        if Path::new(policy).is_file() {
            let folder = self.folder.path().join(&directory);
            fs::create_dir(&folder)?;
            fs::copy(policy, folder.join("bench.wasm"))?;
            chosen = "wasm:bench";
        }
        let env = [("QUEUE", "memory"), ("POLICY", chosen), ("POLICIES_DIR", &*directory)];
        self.add_balancer(binary, policy.to_owned(), &env).await
    }

    async fn add_balancer(&mut self, binary: &Path, name: String, env: &[(&str, &str)]) -> Result<()> {
        let [address] = free_addresses()?;
        let request = request(address, [("authorization", BALANCER_KEY), ("x-wr-auth", WORKER_KEY)])?;
        let mut command = programs::balancer(binary, address);
        command.envs(env.iter().copied());
        command.env("DATA_DIR", format!("data-{}", self.proxies.len()));
        self.add(Target { name, address, request, proxy: None }, &mut command).await
    }

    async fn add(&mut self, mut target: Target, command: &mut Command) -> Result<()> {
        let mut proxy = Child::start(&target.name, command, self.folder.path())?;
        wait_until_ready(&target, &mut proxy).await?;
        target.proxy = Some(self.proxies.len());
        self.proxies.push(proxy);
        self.targets.push(target);
        Ok(())
    }

    /// One measurement of a target.
    pub(crate) async fn measure(&mut self, target: usize, clients: u32, plan: &Plan) -> Result<Sample> {
        let target = self.targets.get(target).context("no such target")?;
        let proxy = target.proxy.and_then(|at| self.proxies.get(at));
        let proxy = proxy.map(|child| Processes::with_children(child.id())).transpose()?;
        let worker = Processes::with_children(self.worker.id())?;

        let from = Instant::now() + plan.warm_up;
        let window = Window { from, to: from + plan.measured };
        let (latencies, cpu) = tokio::try_join!(
            load::run(target.address, &target.request, clients, window),
            CpuUse::within(window, proxy.as_ref(), &worker)
        )?;
        for child in self.proxies.iter_mut().chain([&mut self.worker]) {
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
fn free_addresses<const COUNT: usize>() -> Result<[SocketAddr; COUNT]> {
    // All are held until the last one is found, so that they differ.
    let mut held = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    }
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); COUNT];
    for (address, listener) in addresses.iter_mut().zip(&held) {
        *address = listener.local_addr()?;
    }
    Ok(addresses)
}
