//! `andera-lb demo`: everything at once, to look at.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::runtime;
use super::serve::run_until_signalled;
use super::signals::Signals;
use crate::app::{App, WorkerList};
use crate::config::{Secret, Settings};
use crate::sample_worker::{SampleWorker, WorkerOptions};
use crate::telemetry;
use crate::workers::WorkerAddress;

/// Slots and pace of the three workers.
const WORKERS: [(u32, f64); 3] = [(8, 0.5), (4, 1.0), (2, 3.0)];
/// The keys. Nobody but this machine reaches the demo, and fixed ones make its curl lines work wherever they are written down.
const LB_KEY: &str = "demo-lb-key";
const WORKER_KEY: &str = "demo-worker-key";
/// The pause between two tasks of the traffic.
const TRAFFIC_PAUSE: Duration = Duration::from_millis(150);

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Port of the balancer on this machine; 0 takes any free one.
    #[arg(long, default_value_t = 4000)]
    port: u16,
}

/// Runs until SIGINT or SIGTERM.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let pairs = [("LB_AUTH_KEY", LB_KEY), ("HOST", "127.0.0.1"), ("QUEUE", "memory"), ("SHUTDOWN_TIMEOUT", "5000")];
    let settings = Settings::from_pairs(pairs).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let telemetry = telemetry::init(settings.logging.level, settings.logging.max_logs)?;
    let logs = telemetry.ring().clone();
    runtime::multi_threaded()?.block_on(demo(args.port, settings, logs))
}

async fn demo(port: u16, settings: Settings, logs: telemetry::LogRing) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; try `andera-lb demo --port 0`"))?;
    let url = format!("http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();

    let mut workers = Vec::new();
    for (slots, pace) in WORKERS {
        let options = WorkerOptions { slots, pace, ..WorkerOptions::new(Secret::new(WORKER_KEY), Secret::new(LB_KEY)) };
        let worker = SampleWorker::bind(options).await?;
        workers.push(WorkerAddress::parse(&worker.url())?);
        // Tasks `sample worker`.
        tasks.spawn(worker.run(stop.clone()));
    }
    let app = App::build(settings, WorkerList::Fixed(workers), logs).await?;
    welcome(&url)?;
    // Task `traffic`.
    tasks.spawn(traffic(url, stop.clone()));

    let code = run_until_signalled(app, listener, &mut signals).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    code
}

fn welcome(url: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(
        output,
        r#"
Andera load balancer, demo: three workers, a trickle of traffic, nothing kept.

  Open     {url}/
  Look     {url}/dashboard, logged in with the first key:
  Keys     LB_AUTH_KEY={LB_KEY}  worker AUTH_KEY={WORKER_KEY}

  A task:
  curl -X POST {url}/task -H "Authorization: {LB_KEY}" -H "x-wr-auth: {WORKER_KEY}" \
    -H "Content-Type: application/json" -d '{{"group":"default","contract":1,"function":"hello","input":{{"name":"Andera"}}}}'

  A stream:
  curl -N -X POST {url}/task -H "Authorization: {LB_KEY}" -H "x-wr-auth: {WORKER_KEY}" \
    -H "Content-Type: application/json" -d '{{"group":"default","contract":1,"function":"countdown","mode":"stream"}}'

  The workers:
  curl {url}/dashboard/api/workers -H "Authorization: {LB_KEY}"

  The log:
  curl {url}/logs -H "Authorization: {LB_KEY}"

Ctrl-C ends it.
"#
    )?;
    output.flush()?;
    Ok(())
}

/// A task now and then, of every kind, as clients would send them.
async fn traffic(url: String, stop: CancellationToken) {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build() else { return };
    let tasks = TaskTracker::new();
    while stop.run_until_cancelled(tokio::time::sleep(TRAFFIC_PAUSE)).await.is_some() {
        let request = client
            .post(format!("{url}/task"))
            .header("authorization", LB_KEY)
            .header("x-wr-auth", WORKER_KEY)
            .json(&sample_task());
        let stop = stop.clone();
        tasks.spawn(async move {
            let answer = async { Ok::<_, reqwest::Error>(request.send().await?.bytes().await?.len()) };
            match stop.run_until_cancelled(answer).await {
                // The drain cuts some off.
                Some(Err(error)) => tracing::debug!(%error, "a task of the demo got no answer"),
                Some(Ok(bytes)) => tracing::debug!(bytes, "a task of the demo was answered"),
                None => {}
            }
        });
    }
    tasks.close();
    tasks.wait().await;
}

fn sample_task() -> serde_json::Value {
    let mut task = match fastrand::u8(..10) {
        0..=2 => json!({ "function": "hello", "input": { "name": "demo" } }),
        3..=7 => json!({ "function": "sleep", "input": { "ms": fastrand::u32(50..1_500) } }),
        8 => json!({ "function": "countdown", "mode": "stream", "input": { "from": 5, "ms": 100 } }),
        _ => json!({ "function": "sleep", "mode": "async", "priority": fastrand::u32(1..10), "input": { "ms": 800 } }),
    };
    task["group"] = json!("default");
    task["contract"] = json!(1);
    task
}
