//! `andera-lb health`: for container health checks.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::runtime;
use crate::config::{Effective, Source};
use crate::upstream::install_crypto_provider;

/// How long the balancer may take to answer.
const LIMIT: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Base address of the balancer; by default this machine's, at PORT.
    #[arg(long)]
    url: Option<String>,
}

#[derive(Deserialize)]
struct Health {
    status: String,
}

/// Exits 0 if the balancer says `ready`, else 1.
pub(super) fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let url = args.url.clone().unwrap_or_else(local_address);
    let mut output = std::io::stdout().lock();
    match runtime::single_threaded()?.block_on(ask(&url)) {
        Ok(health) => {
            writeln!(output, "{}", health.status)?;
            Ok(if health.status == "ready" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            writeln!(output, "{url} does not answer: {error:#}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Where the balancer of the same configuration listens. A configuration with problems still names its port.
fn local_address() -> String {
    let effective = Effective::of(&Source::from_process());
    let value = |name| effective.settings().iter().find(|setting| setting.name == name).map(|setting| &*setting.value);
    let host = match value("HOST") {
        None | Some("" | "0.0.0.0" | "::") => "127.0.0.1".to_owned(),
        Some(host) if host.contains(':') => format!("[{host}]"),
        Some(host) => host.to_owned(),
    };
    format!("http://{host}:{}", value("PORT").unwrap_or("4000"))
}

async fn ask(url: &str) -> anyhow::Result<Health> {
    install_crypto_provider();
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build()?;
    let answer = client.get(format!("{}/health", url.trim_end_matches('/'))).send().await?;
    Ok(answer.error_for_status()?.json().await?)
}
