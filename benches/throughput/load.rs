//! The load: clients that each send one task after the other over a connection of their own.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How long after the end of a measurement the last answers may take.
const GRACE: Duration = Duration::from_secs(10);

/// The request of one task.
pub(crate) type TaskRequest = Request<Full<Bytes>>;

/// A stretch of time under load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// Puts load on `address` from now to the end of `window`, and returns the latencies in microseconds of the tasks that ended
/// within the window. Each client sends the requests in turns, every one beginning elsewhere. Fails at the first answer that is not
/// a success.
pub(crate) async fn run(
    address: SocketAddr,
    requests: &[TaskRequest],
    clients: u32,
    window: Window,
) -> Result<Vec<u32>> {
    // Each thread has a runtime of its own, so that a client never moves and nothing is handed from core to core.
    let threads = threads(clients);
    let mut generators = JoinSet::new();
    for thread in 0..threads {
        let first = |client: usize| client * requests.len() / clients as usize;
        let firsts: Vec<usize> = (thread..clients as usize).step_by(threads).map(first).collect();
        let requests: Arc<[TaskRequest]> = requests.into();
        // A load thread: it ends with the window.
        generators.spawn_blocking(move || run_clients(address, &requests, &firsts, window));
    }
    let mut latencies = Vec::new();
    while let Some(outcome) = generators.join_next().await {
        latencies.extend(outcome.context("a load thread panicked")??);
    }
    Ok(latencies)
}

/// How many threads make the load: half of the cores, as the processes measured need some too.
pub(crate) fn threads(clients: u32) -> usize {
    (available_parallelism().map_or(1, NonZero::get) / 2).clamp(1, clients as usize)
}

/// A client for each of `firsts`, the request that it begins with.
fn run_clients(
    address: SocketAddr,
    requests: &Arc<[TaskRequest]>,
    firsts: &[usize],
    window: Window,
) -> Result<Vec<u32>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for &first in firsts {
            // A client: it ends with the window.
            running.spawn(run_client(address, Arc::clone(requests), first, window));
        }
        let mut latencies = Vec::new();
        while let Some(outcome) = running.join_next().await {
            latencies.extend(outcome.context("a client panicked")??);
        }
        Ok(latencies)
    })
}

async fn run_client(
    address: SocketAddr,
    requests: Arc<[TaskRequest]>,
    first: usize,
    window: Window,
) -> Result<Vec<u32>> {
    let mut latencies = Vec::new();
    let sending = async {
        let mut client = Client::connect(address).await?;
        let mut sent = Instant::now();
        for request in requests.iter().cycle().skip(first) {
            client.run_task(request.clone()).await?;
            let answered = Instant::now();
            if (window.from..window.to).contains(&answered) {
                latencies.push(u32::try_from((answered - sent).as_micros()).unwrap_or(u32::MAX));
            }
            if answered >= window.to {
                break;
            }
            sent = answered;
        }
        anyhow::Ok(())
    };
    timeout_at(window.to + GRACE, sending).await.context("no answer in time")??;
    Ok(latencies)
}

/// Sends one task over a new connection. Fails if it does not succeed before `deadline`.
pub(crate) async fn run_one(address: SocketAddr, request: &TaskRequest, deadline: Instant) -> Result<()> {
    timeout_at(deadline, async { Client::connect(address).await?.run_task(request.clone()).await })
        .await
        .context("no answer in time")?
}

/// A connection, open as long as this lives.
pub(crate) struct Client {
    requests: SendRequest<Full<Bytes>>,
    /// Driven by whoever waits for an answer, as nothing else happens on it: no task of its own has to be woken.
    connection: Connection<TokioIo<TcpStream>, Full<Bytes>>,
    /// The last body that was a success: most are the same.
    success: Bytes,
}

/// A task's result, or, of a task that nobody waits for, that it was taken.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    success: bool,
    task_id: Option<IgnoredAny>,
}

impl Client {
    /// Opens the connection.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Self { requests, connection, success: Bytes::new() })
    }

    /// Sends a task and waits for the whole answer, which has to be a success.
    pub(crate) async fn run_task(&mut self, request: TaskRequest) -> Result<()> {
        let requests = &mut self.requests;
        let exchange = async {
            requests.ready().await?;
            let answer = requests.send_request(request).await?;
            let status = answer.status();
            anyhow::Ok((status, answer.into_body().collect().await?.to_bytes()))
        };
        let (status, body) = tokio::select! {
            biased;
            answered = exchange => answered?,
            ended = &mut self.connection => {
                ended?;
                bail!("connection closed");
            }
        };
        if status == StatusCode::OK && !body.is_empty() && body == self.success {
            return Ok(());
        }
        let answer = serde_json::from_slice::<Answer>(&body).ok();
        let is_success = answer.is_some_and(|answer| match status {
            StatusCode::OK => answer.success,
            StatusCode::ACCEPTED => answer.task_id.is_some(),
            _ => false,
        });
        if !is_success {
            bail!("not a success: {status} {}", String::from_utf8_lossy(&body[..body.len().min(300)]));
        }
        if status == StatusCode::OK {
            self.success = body;
        }
        Ok(())
    }
}
