//! `andera-lb worker`: the sample worker alone.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Secret;
use crate::sample_worker::{Crowd, SampleWorker, WorkerOptions};

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port of the HTTP endpoints; 0 takes any free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of the WebSocket; 0 takes any free one.
    #[arg(long, default_value_t = 3001)]
    ws_port: u16,
    /// Worker group.
    #[arg(long, default_value = "default")]
    group: String,
    /// Contract version.
    #[arg(long, default_value_t = 1.0)]
    contract: f64,
    /// Tasks run at once.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    slots: u32,
    /// The worker's own key.
    #[arg(long, env = "AUTH_KEY", hide_env_values = true, value_parser = secret())]
    auth_key: Secret,
    /// The load balancer's key.
    #[arg(long, env = "LB_AUTH_KEY", hide_env_values = true, value_parser = secret())]
    lb_auth_key: Secret,
    /// A tag to publish; may be given several times. Numbers, true and false keep their type.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, Value)>,
    /// How many times slower than asked `sleep` and `countdown` are.
    #[arg(long, default_value_t = 1.0)]
    pace: f64,
    /// That many workers in this process, for tests and measurements: with any free ports (0), or on every second one from those
    /// given on.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// Write the addresses to this file, as a workers file of the balancer.
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Append a JSON line per start, end and refusal of a task to this file.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

fn secret() -> impl TypedValueParser<Value = Secret> {
    NonEmptyStringValueParser::new().map(Secret::new)
}

fn tag(text: &str) -> Result<(String, Value), &'static str> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("expected KEY=VALUE")?;
    let typed = serde_json::from_str(value).ok().filter(|typed: &Value| typed.is_number() || typed.is_boolean());
    Ok((key.to_owned(), typed.unwrap_or_else(|| value.into())))
}

/// Runs the worker until SIGINT or SIGTERM. A second signal quits at once.
pub(super) async fn run(args: WorkerArgs) -> anyhow::Result<ExitCode> {
    let options = WorkerOptions {
        host: args.host,
        port: args.port,
        ws_port: args.ws_port,
        group: args.group,
        contract: args.contract,
        slots: args.slots,
        auth_key: args.auth_key,
        lb_auth_key: args.lb_auth_key,
        tags: args.tags.into_iter().collect(),
        pace: args.pace,
        ledger: args.ledger,
        phase: Duration::ZERO,
    };
    let crowd = Crowd::bind(&options, args.count).await?;
    let mut interrupt = signal(SignalKind::interrupt()).context("Cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("Cannot listen for SIGTERM")?;
    if let Some(file) = &args.list {
        let urls: Vec<String> = crowd.workers().iter().map(SampleWorker::url).collect();
        std::fs::write(file, serde_json::to_vec_pretty(&urls)?)
            .with_context(|| format!("Cannot write {}", file.display()))?;
    }
    announce(&crowd)?;

    let shutdown = CancellationToken::new();
    let mut running = std::pin::pin!(crowd.run(shutdown.clone()));
    loop {
        tokio::select! {
            () = running.as_mut() => return Ok(ExitCode::SUCCESS),
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if shutdown.is_cancelled() {
            return Ok(ExitCode::FAILURE);
        }
        shutdown.cancel();
    }
}

fn announce(crowd: &Crowd) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    for worker in crowd.workers() {
        writeln!(output, "listening on {} (WebSocket port {})", worker.url(), worker.ws_port())?;
    }
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_keep_numbers_and_truth_values_and_take_the_rest_as_text() {
        assert_eq!(tag("weight=2.5"), Ok(("weight".to_owned(), 2.5.into())));
        assert_eq!(tag("gpu=true"), Ok(("gpu".to_owned(), true.into())));
        assert_eq!(tag("zone=eu=1"), Ok(("zone".to_owned(), "eu=1".into())));
        assert_eq!(tag("empty="), Ok(("empty".to_owned(), "".into())));
        assert!(tag("nothing").is_err());
        assert!(tag("=x").is_err());
    }
}
