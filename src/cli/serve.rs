//! `andera-lb serve`: the load balancer.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::signals::Signals;
use super::{BAD_CONFIGURATION, runtime};
use crate::app::{self, App, WorkerList};
use crate::config::{Loaded, Problem, Settings, Source};
use crate::telemetry;
use crate::workers::StartError;

/// Runs the balancer until SIGINT or SIGTERM, then drains. A second signal quits at once.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    let loaded = match load(&Source::from_process()) {
        Ok(loaded) => loaded,
        Err(problems) => return refuse(&problems),
    };
    let logging = &loaded.settings.logging;
    let telemetry = telemetry::init(logging.level, logging.max_logs)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let logs = telemetry.ring().clone();
    let outcome = runtime::multi_threaded()?.block_on(serve(loaded.settings, logs));
    match outcome {
        Err(error) if error.is::<StartError>() => {
            drop(telemetry);
            // Its text includes its sources.
            refuse(&[Problem::new("WORKERS_FILE", error.to_string())])
        }
        outcome => outcome,
    }
}

/// The settings, checked as far as they can be without opening anything.
pub(super) fn load(source: &Source) -> Result<Loaded, Vec<Problem>> {
    let unknown_policy = Settings::policy(source)
        .and_then(|(policy, data_dir)| app::check_policy(&policy.choice, &policy.directory, data_dir.as_deref()).err());
    let loaded = Settings::load(source);
    match unknown_policy {
        None => loaded,
        Some(problem) => {
            let mut problems = loaded.err().unwrap_or_default();
            problems.push(problem);
            Err(problems)
        }
    }
}

/// One line per problem.
pub(super) fn refuse(problems: &[Problem]) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stderr().lock();
    for problem in problems {
        writeln!(output, "{problem}")?;
    }
    Ok(ExitCode::from(BAD_CONFIGURATION))
}

async fn serve(settings: Settings, logs: telemetry::LogRing) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let address = SocketAddr::new(settings.server.host, settings.server.port);
    let app = App::build(settings, WorkerList::File, logs).await?;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    run_until_signalled(app, listener, &mut signals).await
}

/// Serves until the first signal and drains; at the second one the process is over.
pub(super) async fn run_until_signalled(
    app: App,
    listener: TcpListener,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let shutdown = CancellationToken::new();
    let mut running = std::pin::pin!(app.run(listener, shutdown.clone()));
    loop {
        tokio::select! {
            report = running.as_mut() => {
                report?;
                return Ok(ExitCode::SUCCESS);
            }
            () = signals.next() => {}
        }
        if shutdown.is_cancelled() {
            tracing::warn!("second signal: quitting at once");
            return Ok(ExitCode::FAILURE);
        }
        shutdown.cancel();
    }
}
