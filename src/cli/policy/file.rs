//! What the commands about a policy begin with: its file, its configuration, the limits.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use crate::cli::BAD_CONFIGURATION;
use crate::config::{Settings, Source};
use crate::policy::{PolicyLimits, Setup};
use crate::telemetry::{LogLayer, LogRing};

/// Lines of a policy's log that are shown.
const LOG_LINES: usize = 20;

/// A policy in a file.
#[derive(Debug, Args)]
pub(super) struct PolicyFile {
    /// The policy: a component, or a core module that describes one.
    pub(super) file: PathBuf,
    /// The policy's own configuration, a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(super) config: Option<String>,
}

impl PolicyFile {
    pub(super) fn read(&self) -> anyhow::Result<Vec<u8>> {
        std::fs::read(&self.file).with_context(|| format!("cannot read {}", self.file.display()))
    }

    /// What it would go by, in the form of `POLICY`.
    pub(super) fn name(&self) -> String {
        format!("wasm:{}", self.file.file_stem().unwrap_or_default().to_string_lossy())
    }

    /// The configuration, if there is one.
    pub(super) fn config(&self) -> anyhow::Result<Option<&str>> {
        let Some(json) = self.config.as_deref() else { return Ok(None) };
        let value: serde_json::Value = serde_json::from_str(json).context("--config is not JSON")?;
        ensure!(value.is_object(), "--config is no JSON object");
        Ok(Some(json))
    }

    pub(super) fn setup(&self) -> anyhow::Result<Setup> {
        let config = self.config()?.map(str::to_owned);
        Ok(config.map_or_else(Setup::default, |config| Setup { config, ..Setup::default() }))
    }
}

/// The limits that a balancer with this configuration gives to its policies.
pub(super) fn limits() -> anyhow::Result<PolicyLimits> {
    let settings = Settings::policy(&Source::from_process());
    let (policy, _) = settings.context("the settings of policies cannot be used; `andera-lb config` says why")?;
    Ok(PolicyLimits::from(&policy))
}

/// Does something, and tells on stderr what is wrong with what was given to it. What policies log meanwhile goes there too.
pub(super) fn run(work: impl FnOnce() -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let ring = LogRing::new(LOG_LINES);
    let own = Targets::new().with_target("andera_lb::policy", Level::TRACE);
    let subscriber = tracing_subscriber::registry().with(LogLayer::new(ring.clone()).with_filter(own));
    let done = tracing::subscriber::with_default(subscriber, work);
    let mut stderr = io::stderr().lock();
    for line in ring.lines() {
        writeln!(stderr, "{line}")?;
    }
    done.or_else(|error| {
        writeln!(stderr, "{error:#}")?;
        Ok(ExitCode::from(BAD_CONFIGURATION))
    })
}

/// Says on stderr what comes next. Nobody reading is no fault.
pub(super) fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "{text} …");
}

/// The path, for people.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
