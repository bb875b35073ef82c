//! How long pages, and what they ask for, take to begin.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::programs::BALANCER_KEY;
use crate::scene::Scene;

/// Longer than anything may take.
const LIMIT: Duration = Duration::from_mins(1);

/// A slow address is asked for so often at least, and then no more once this has passed.
const LEAST: usize = 3;
const PATIENCE: Duration = Duration::from_secs(5);
const LOGIN: &str = "/dashboard/login";

/// What one address took.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) path: String,
    /// To the first byte of the body, milliseconds, sorted.
    pub(crate) first_ms: Vec<f64>,
    /// To its last; none of a stream.
    pub(crate) whole_ms: Vec<f64>,
    /// Bytes on the wire.
    pub(crate) bytes: usize,
}

/// Asks for every page and everything pages ask for, each so many times, as browsers do: with compression.
pub(crate) async fn measure(scene: &Scene, repeats: usize) -> Result<Vec<Answers>> {
    let mut found = Vec::new();
    for path in paths(scene).await? {
        // An export has everything in it; how long that takes is not the question here.
        let is_stream = path.contains("/api/live") || path.contains("/export");
        let mut answers = Answers { path, first_ms: Vec::new(), whole_ms: Vec::new(), bytes: 0 };
        let began = Instant::now();
        for n in 0..repeats {
            if n >= LEAST && began.elapsed() > PATIENCE {
                break;
            }
            ask(scene.address, &mut answers, is_stream).await.with_context(|| answers.path.clone())?;
        }
        answers.first_ms.sort_by(f64::total_cmp);
        answers.whole_ms.sort_by(f64::total_cmp);
        found.push(answers);
    }
    Ok(found)
}

async fn paths(scene: &Scene) -> Result<Vec<String>> {
    let task =
        scene.get("/tasks?limit=1").await?["tasks"][0]["taskId"].as_str().context("there is no task")?.to_owned();
    let worker =
        scene.get("/dashboard/api/workers").await?[0]["url"].as_str().context("there is no worker")?.to_owned();
    let (named, encoded) = (URL_SAFE_NO_PAD.encode(&worker), worker.replace(':', "%3A").replace('/', "%2F"));
    let queue = "tasks.bench.1";
    let pages = [
        "/".to_owned(),
        LOGIN.to_owned(),
        "/dashboard".to_owned(),
        "/dashboard/workers".to_owned(),
        format!("/dashboard/workers/{named}"),
        "/dashboard/tasks".to_owned(),
        format!("/dashboard/tasks/{task}"),
        "/dashboard/tasks/new".to_owned(),
        "/dashboard/policies".to_owned(),
        "/dashboard/logs".to_owned(),
        "/bull".to_owned(),
        format!("/bull/queue/{queue}"),
        format!("/bull/queue/{queue}/{task}"),
    ];
    let asked = [
        "/dashboard/api/live?of=overview".to_owned(),
        "/dashboard/api/live?of=workers".to_owned(),
        "/dashboard/api/live?of=logs".to_owned(),
        format!("/dashboard/api/live?of=&worker={named}"),
        "/dashboard/api/history?range=24h".to_owned(),
        "/dashboard/api/workers".to_owned(),
        format!("/dashboard/api/workers/{named}/logs"),
        "/dashboard/api/tasks?limit=50".to_owned(),
        "/dashboard/api/tasks?limit=50&state=failed".to_owned(),
        "/dashboard/api/tasks?limit=50&q=not%20to%20be%20found".to_owned(),
        format!("/dashboard/api/tasks?limit=15&worker={encoded}"),
        format!("/dashboard/api/tasks/{task}"),
        format!("/dashboard/api/tasks/{task}/sent"),
        "/dashboard/api/tasks/export".to_owned(),
        "/dashboard/api/lanes".to_owned(),
        "/dashboard/api/policies".to_owned(),
        "/bull/api/queues".to_owned(),
        format!("/bull/api/queues?activeQueue={queue}&status=latest&page=1&jobsPerPage=20"),
        format!("/bull/api/queues?activeQueue={queue}&status=failed&page=1&jobsPerPage=20"),
        format!("/bull/api/queues?activeQueue={queue}&status=completed&page=500&jobsPerPage=20"),
        format!("/bull/api/queues/{queue}/{task}"),
        format!("/bull/api/queues/{queue}/metrics"),
        format!("/bull/api/queues/{queue}/workers"),
        "/bull/api/metrics/history?from=0&to=1e14&granularity=hour".to_owned(),
        "/bull/api/metrics/latency?metric=runtime".to_owned(),
    ];
    Ok(pages.into_iter().chain(asked).collect())
}

async fn ask(address: SocketAddr, answers: &mut Answers, is_stream: bool) -> Result<()> {
    let asked = Instant::now();
    let mut response = timeout(LIMIT, get(address, &answers.path)).await.context("no answer in time")??;
    ensure!(response.status().is_success(), "answered {}", response.status());
    let mut bytes = 0;
    let mut first = None;
    while let Some(frame) = timeout(LIMIT, response.frame()).await.context("the answer does not go on")? {
        bytes += frame?.data_ref().map_or(0, Bytes::len);
        first.get_or_insert_with(|| asked.elapsed());
        if is_stream {
            break;
        }
    }
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    answers.first_ms.push(millis(first.unwrap_or_else(|| asked.elapsed())));
    if !is_stream {
        answers.whole_ms.push(millis(asked.elapsed()));
    }
    answers.bytes = bytes;
    Ok(())
}

/// Asks over a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Response<Incoming>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut requests, connection) = handshake(TokioIo::new(stream)).await?;
    // The connection: it ends with its answer. What goes wrong there is told to the request.
    tokio::spawn(async move { drop(connection.await) });
    // Who has a key already is sent on by the login.
    let key = if path == LOGIN { "" } else { BALANCER_KEY };
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::AUTHORIZATION, key)
        .header(header::ACCEPT_ENCODING, "gzip, deflate, br, zstd")
        .body(Empty::<Bytes>::new())?;
    Ok(requests.send_request(request).await?)
}
