//! Streams: first byte and bytes a second.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{Bench, Section};
use crate::contender::{Contender, DIRECT, NGINX};
use crate::load::{TaskRequest, Window};
use crate::measure::{CpuUse, Observed, quantile_ms, window};
use crate::median::median;
use crate::stage::Workers;
use crate::table::number;
use crate::{nginx, task};

const CLIENTS: [usize; 2] = [1, 8];
/// How long after the end of a measurement the last streams may take.
const GRACE: Duration = Duration::from_secs(30);

/// One measurement.
#[derive(Debug)]
struct Sample {
    first_p50_ms: f64,
    first_p99_ms: f64,
    /// Megabytes a second.
    speed: f64,
    /// Of the proxy, milliseconds a gigabyte; not a number without one.
    cpu: f64,
}

#[derive(Debug)]
struct Series {
    clients: usize,
    at: usize,
    samples: Vec<Sample>,
}

pub(super) async fn run(bench: &Bench<'_>) -> Result<Section> {
    let stage = bench.stage()?;
    progress!("  starting the worker, nginx and balancers");
    let mut worker = stage.worker().await?;
    let list = worker.list.clone();
    let mut contenders = [
        worker.directly()?,
        Contender { path: nginx::STREAM_PATH, ..stage.nginx(&bench.nginx, &worker).await? },
        stage.balancer("memory", &list, &[("QUEUE", "memory")]).await?,
        stage.balancer("embedded", &list, &[("QUEUE", "embedded")]).await?,
    ];
    let mut all: Vec<Series> = CLIENTS
        .iter()
        .flat_map(|&clients| (0..contenders.len()).map(move |at| Series { clients, at, samples: Vec::new() }))
        .collect();
    for round in 0..bench.plan.rounds as usize {
        for turn in 0..all.len() {
            let at = (turn + round) % all.len();
            let series = &mut all[at];
            let contender = &mut contenders[series.at];
            let sample = measure(contender, &mut worker, series.clients, bench)
                .await
                .with_context(|| format!("streams of {}", contender.name))?;
            progress!(
                "  round {}, {} clients, {}: {:.0} MB/s",
                round + 1,
                series.clients,
                contender.name,
                sample.speed
            );
            series.samples.push(sample);
        }
    }
    Ok(Section { text: report(&all, &contenders), found: Vec::new() })
}

async fn measure(contender: &mut Contender, worker: &mut Workers, clients: usize, bench: &Bench<'_>) -> Result<Sample> {
    let window = window(bench.plan);
    let observed = Observed::new(contender, worker)?;
    let mut running = JoinSet::new();
    for _ in 0..clients {
        // A client: it ends with the window.
        running.spawn(run_client(contender.address, contender.request(task::stream())?, window));
    }
    let cpu: CpuUse = observed.within(window).await?;
    let (mut firsts, mut bytes) = (Vec::new(), 0.0);
    while let Some(outcome) = running.join_next().await {
        let (some_firsts, some_bytes) = outcome.context("a client panicked")??;
        firsts.extend(some_firsts);
        bytes += some_bytes;
    }
    contender.ensure_running()?;
    worker.process.ensure_running()?;
    firsts.sort_unstable();
    Ok(Sample {
        first_p50_ms: quantile_ms(&firsts, 500),
        first_p99_ms: quantile_ms(&firsts, 990),
        speed: bytes / 1e6 / bench.plan.measured.as_secs_f64(),
        cpu: cpu.proxy.map_or(f64::NAN, |cpu| cpu.as_secs_f64() * 1e3 / (bytes / 1e9)),
    })
}

/// One stream after the other; microseconds to the first bytes, and bytes, of what came within the window.
async fn run_client(address: SocketAddr, request: TaskRequest, window: Window) -> Result<(Vec<u32>, f64)> {
    let streaming = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut requests, connection) = handshake(TokioIo::new(stream)).await?;
        // The connection: it ends with its client. What goes wrong there is told to the request.
        tokio::spawn(async move { drop(connection.await) });
        let (mut firsts, mut bytes) = (Vec::new(), 0.0);
        let is_within = |moment| (window.from..window.to).contains(&moment);
        while Instant::now() < window.to {
            requests.ready().await?;
            let sent = Instant::now();
            let mut answer = requests.send_request(request.clone()).await?;
            ensure!(answer.status() == StatusCode::OK, "answered {}", answer.status());
            let mut length = 0;
            while let Some(frame) = answer.frame().await {
                let count = frame?.data_ref().map_or(0, bytes::Bytes::len);
                let now = Instant::now();
                if length == 0 && is_within(now) {
                    firsts.push(u32::try_from((now - sent).as_micros()).unwrap_or(u32::MAX));
                }
                length += count;
                if is_within(now) {
                    bytes += f64::from(u32::try_from(count)?);
                }
            }
            ensure!(length == crate::worker::STREAM_BYTES, "a stream of {length} bytes");
        }
        Ok((firsts, bytes))
    };
    timeout_at(window.to + GRACE, streaming).await.context("a stream does not end")?
}

fn report(all: &[Series], contenders: &[Contender]) -> String {
    let mut text = format!(
        "## Streams\n\n{} MB each, in chunks of {} KB as fast as they are taken; nginx with `proxy_buffering off`.\n\n",
        crate::worker::STREAM_BYTES / 1_000_000,
        crate::worker::CHUNK_BYTES / 1_000,
    );
    text += "| clients | target | first byte p50 ms | to nginx | p99 ms | MB/s (lowest to highest) | to nginx | to direct | proxy CPU ms a GB | to nginx |\n";
    text += "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for series in all {
        let name = |series: &Series| contenders[series.at].name.clone();
        let middle = |figure: fn(&Sample) -> f64| median(series.samples.iter().map(figure).collect());
        let ratio = |base: &str, figure: fn(&Sample) -> f64| {
            let base = all.iter().find(|other| other.clients == series.clients && name(other) == base);
            base.map_or(String::new(), |base| {
                let rounds = series.samples.iter().zip(&base.samples);
                number(median(rounds.map(|(own, base)| figure(own) / figure(base)).collect()), 2)
            })
        };
        let speeds = || series.samples.iter().map(|sample| sample.speed);
        let (lowest, highest) = (speeds().fold(f64::INFINITY, f64::min), speeds().fold(0.0, f64::max));
        let row = [
            series.clients.to_string(),
            name(series),
            number(middle(|sample| sample.first_p50_ms), 2),
            ratio(NGINX, |sample| sample.first_p50_ms),
            number(middle(|sample| sample.first_p99_ms), 2),
            format!("{:.0} ({lowest:.0} to {highest:.0})", middle(|sample| sample.speed)),
            ratio(NGINX, |sample| sample.speed),
            ratio(DIRECT, |sample| sample.speed),
            number(middle(|sample| sample.cpu), 0),
            ratio(NGINX, |sample| sample.cpu),
        ];
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}
