//! The worker of `andera-lb worker` and `andera-lb demo`: speaks the Andera worker protocol and refuses exactly what a real
//! worker refuses.
//!
//! | file | what lives there |
//! |---|---|
//! | `http` | the endpoints of the main port |
//! | `admission` | the checks of `POST /task`, in the protocol's order |
//! | `run` | one admitted task: slot, function, delivery |
//! | `function`, `call` | the functions: what they declare, what they do |
//! | `slots` | busy slots and the worker's own queue |
//! | `socket`, `status` | the WebSocket port and what is reported there and by `/health` |
//! | `crowd` | thousands of workers in one process |

mod admission;
mod arguments;
mod body;
mod call;
mod change;
mod crowd;
mod failures;
mod function;
mod http;
mod keys;
mod ledger;
mod listener;
mod logs;
mod refusal;
mod run;
mod slots;
mod socket;
mod status;
mod system;
mod task_body;
mod webhook;
mod worker;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Secret;
use worker::{Machine, Worker};

pub use crowd::Crowd;

/// How long a stopping worker waits for what still runs.
const DRAIN: Duration = Duration::from_secs(5);

/// What a sample worker is.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// The address to listen on. Default: 127.0.0.1.
    pub host: IpAddr,
    /// The port of the HTTP endpoints; 0 (the default) takes any free port.
    pub port: u16,
    /// The port of the WebSocket; 0 (the default) takes any free port.
    pub ws_port: u16,
    /// The worker's group. Default: `default`.
    pub group: String,
    /// The worker's contract version, a finite number. Default: 1.
    pub contract: f64,
    /// How many tasks run at once. Default: 10.
    pub slots: u32,
    /// The worker's own key (its `AUTH_KEY`).
    pub auth_key: Secret,
    /// The balancer's key (`LB_AUTH_KEY`).
    pub lb_auth_key: Secret,
    /// Published by `/health`. Default: none.
    pub tags: serde_json::Map<String, serde_json::Value>,
    /// How slow it is: `sleep` and `countdown` take that many times as long as asked for. Default: 1.
    pub pace: f64,
    /// A file to which one JSON line is appended per start, end and refusal of a task. For tests. Default: none.
    pub ledger: Option<PathBuf>,
    /// How long after its start it makes its first report of every second. Default: none.
    pub phase: Duration,
}

impl WorkerOptions {
    /// A worker with these keys, and the defaults for everything else.
    pub fn new(auth_key: Secret, lb_auth_key: Secret) -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            ws_port: 0,
            group: "default".to_owned(),
            contract: 1.0,
            slots: 10,
            auth_key,
            lb_auth_key,
            tags: serde_json::Map::new(),
            pace: 1.0,
            ledger: None,
            phase: Duration::ZERO,
        }
    }
}

/// A worker whose two ports are open. It answers once [`run`](Self::run) is polled.
#[derive(Debug)]
pub struct SampleWorker {
    worker: Arc<Worker>,
    main: TcpListener,
    socket: TcpListener,
    address: SocketAddr,
    ws_port: u16,
}

impl SampleWorker {
    /// Opens both ports (and the ledger). Fails if a port is taken, the ledger cannot be opened, or the contract is no finite
    /// number.
    pub async fn bind(options: WorkerOptions) -> anyhow::Result<Self> {
        Self::bind_on(options, &Machine::new().await).await
    }

    async fn bind_on(options: WorkerOptions, machine: &Machine) -> anyhow::Result<Self> {
        let main = listener::bind(SocketAddr::new(options.host, options.port))?;
        let socket = listener::bind(SocketAddr::new(options.host, options.ws_port))?;
        let address = main.local_addr().context("The worker's port has no address")?;
        let ws_port = socket.local_addr().context("The worker's WebSocket port has no address")?.port();
        let worker = Arc::new(Worker::new(options, ws_port, machine).await?);
        Ok(Self { worker, main, socket, address, ws_port })
    }

    /// Where the HTTP endpoints are.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of the HTTP endpoints, as a workers file lists it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port of the WebSocket, on the same host.
    pub const fn ws_port(&self) -> u16 {
        self.ws_port
    }

    /// Serves until `shutdown`, then takes no more connections, waits up to 5 s for what runs, and drops the rest.
    /// Dropping the future stops everything at once.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { worker, main, socket, address, ws_port } = self;
        let _stop_all = worker.stop.clone().drop_guard();
        worker.logs.info("WORKER", &format!("Listening on {address}, WebSocket port {ws_port}"));
        tokio::join!(
            http::serve(&worker, &main, &shutdown),
            socket::serve(&worker, &socket, &shutdown),
            status::report(&worker, &shutdown),
        );
        drop((main, socket));
        worker.running.close();
        if tokio::time::timeout(DRAIN, worker.running.wait()).await.is_err() {
            worker.stop.cancel();
            worker.running.wait().await;
        }
    }
}
