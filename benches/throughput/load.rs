//! The load: clients that each send one task after the other over a connection of their own.

use std::net::SocketAddr;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet, LocalSet};
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
/// within the window. Fails at the first answer that is not a success.
pub(crate) async fn run(address: SocketAddr, request: &TaskRequest, clients: u32, window: Window) -> Result<Vec<u32>> {
    // Each thread has a runtime of its own, so that a client never moves and nothing is handed from core to core.
    let threads = threads(clients);
    let mut generators = JoinSet::new();
    for thread in 0..threads {
        let clients = (thread..clients as usize).step_by(threads).count();
        let request = request.clone();
        // A load thread: it ends with the window.
        generators.spawn_blocking(move || run_clients(address, &request, clients, window));
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

fn run_clients(address: SocketAddr, request: &TaskRequest, clients: usize, window: Window) -> Result<Vec<u32>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut running = JoinSet::new();
        for _ in 0..clients {
            // A client: it ends with the window.
            running.spawn_local(run_client(address, request.clone(), window));
        }
        let mut latencies = Vec::new();
        while let Some(outcome) = running.join_next().await {
            latencies.extend(outcome.context("a client panicked")??);
        }
        Ok(latencies)
    })
}

async fn run_client(address: SocketAddr, request: TaskRequest, window: Window) -> Result<Vec<u32>> {
    let give_up = window.to + GRACE;
    let mut client = timeout_at(give_up, Client::connect(address)).await.context("no connection in time")??;
    let mut latencies = Vec::new();
    let mut sent = Instant::now();
    while sent < window.to {
        timeout_at(give_up, client.run_task(request.clone())).await.context("no answer in time")??;
        let answered = Instant::now();
        if (window.from..window.to).contains(&answered) {
            latencies.push(u32::try_from((answered - sent).as_micros()).unwrap_or(u32::MAX));
        }
        sent = answered;
    }
    Ok(latencies)
}

/// Sends one task over a new connection. Fails if it does not succeed before `deadline`.
pub(crate) async fn run_one(address: SocketAddr, request: &TaskRequest, deadline: Instant) -> Result<()> {
    timeout_at(deadline, async { Client::connect(address).await?.run_task(request.clone()).await })
        .await
        .context("no answer in time")?
}

struct Client {
    requests: SendRequest<Full<Bytes>>,
    connection: AbortHandle,
}

#[derive(Deserialize)]
struct Answer {
    success: bool,
}

impl Client {
    async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        // The connection: it ends with its client. What goes wrong there is told to the request.
        let connection = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { requests, connection })
    }

    async fn run_task(&mut self, request: TaskRequest) -> Result<()> {
        self.requests.ready().await.context("connection closed")?;
        let answer = self.requests.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK || !serde_json::from_slice::<Answer>(&body).is_ok_and(|answer| answer.success) {
            bail!("not a success: {status} {}", String::from_utf8_lossy(&body[..body.len().min(300)]));
        }
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
