//! The fast worker: it speaks the protocol as far as a balancer needs it, and does nothing for a task but answer, so that what is
//! measured is what lies before it. Thousands of them fit into one process.

mod answer;
mod http;
mod socket;

use std::fs;
use std::net::Ipv4Addr;
use std::num::NonZero;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

pub(crate) use answer::{CHUNK_BYTES, STREAM_BYTES};

/// Every worker reports once in that time, each at a moment of its own.
const ROUND: Duration = Duration::from_secs(1);

/// The fast workers of a process.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerArguments {
    /// How many.
    #[arg(long)]
    count: u32,
    /// In how many groups, in turns: `bench-0`, `bench-1` and so on.
    #[arg(long)]
    groups: u32,
    /// Slots of each, or of the first, the second and so on, in turns.
    #[arg(long, value_delimiter = ',', required = true)]
    slots: Vec<u32>,
    /// Where their addresses are written once they listen.
    #[arg(long)]
    list: PathBuf,
}

/// One of them.
#[derive(Debug)]
struct Worker {
    group: u32,
    socket_port: u16,
    slots: u32,
    used: AtomicU32,
    started: Instant,
    /// When it reports within each [`ROUND`] from `started` on.
    phase: Duration,
}

/// A slot in use, free again when it is dropped.
#[derive(Debug)]
struct Slot(Arc<Worker>);

/// Serves until the process is ended, or the one that has started it is gone.
pub(crate) fn run(arguments: &WorkerArguments) -> Result<()> {
    // Half of the cores: load and proxy need some too.
    let threads = available_parallelism().map_or(1, NonZero::get) / 2;
    let runtime = match threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        _ => tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?,
    };
    runtime.block_on(async {
        start(arguments).await?;
        let parent = parent_id();
        while parent_id() == parent {
            sleep(ROUND).await;
        }
        Ok(())
    })
}

async fn start(arguments: &WorkerArguments) -> Result<()> {
    let started = Instant::now();
    let mut addresses = Vec::new();
    for n in 0..arguments.count {
        let tasks = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen for tasks")?;
        let sockets = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen for sockets")?;
        addresses.push(format!("http://{}", tasks.local_addr()?));
        let worker = Arc::new(Worker {
            group: n % arguments.groups.max(1),
            socket_port: sockets.local_addr()?.port(),
            slots: arguments.slots.iter().copied().cycle().nth(n as usize).unwrap_or(1),
            used: AtomicU32::new(0),
            started,
            phase: ROUND * n / arguments.count,
        });
        // Both serve as long as the process runs.
        tokio::spawn(serve(tasks, Arc::clone(&worker), http::serve));
        tokio::spawn(serve(sockets, worker, socket::serve));
    }
    // Whoever waits for the list finds all of it.
    let unfinished = arguments.list.with_extension("unfinished");
    fs::write(&unfinished, serde_json::to_vec(&addresses)?)?;
    fs::rename(&unfinished, &arguments.list)?;
    Ok(())
}

/// Serves every connection in a task of its own.
async fn serve<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    worker: Arc<Worker>,
    connection: impl Fn(Arc<Worker>, TcpStream) -> F,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if stream.set_nodelay(true).is_ok() {
                    tokio::spawn(connection(Arc::clone(&worker), stream));
                }
            }
            // No files left, for instance.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

impl Worker {
    fn take_slot(self: &Arc<Self>) -> Slot {
        self.used.fetch_add(1, Ordering::Relaxed);
        Slot(Arc::clone(self))
    }

    /// What it says about itself, as a frame and, with the rest, as `/health`.
    fn report(&self) -> String {
        let used = self.used.load(Ordering::Relaxed);
        format!(
            r#""status":"ready","slots":{{"used":{used},"available":{},"limit":{},"queue":0}},"system":{{"uptime":{},"cpuLoad":0.25,"usedMemoryPercent":25.5}},"services":[{{"name":"bench","status":"running","state":"up"}}]"#,
            self.slots.saturating_sub(used),
            self.slots,
            self.started.elapsed().as_secs(),
        )
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}
