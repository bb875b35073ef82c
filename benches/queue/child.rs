//! Processes of the bench's own.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::arguments::Plan;
use crate::case::{Case, Figures, Reopened};

/// A process of the bench's own; killed when it is dropped. It ends by itself when its standard input does.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    // Kept open: waiting for the process would close it.
    _input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Fills and measures a queue in `folder`. The process goes on with the load.
    pub(crate) async fn measure(plan: &Plan, case: &Case, folder: &Path) -> Result<(Self, Figures)> {
        let mut child = Self::start("measure", plan, case, folder)?;
        let figures = child.told().await?;
        Ok((child, figures))
    }

    /// Opens the queue in `folder` again, and has it end in good order.
    pub(crate) async fn reopen(plan: &Plan, case: &Case, folder: &Path) -> Result<Reopened> {
        let mut child = Self::start("reopen", plan, case, folder)?;
        let reopened = child.told().await?;
        let status = child.process.wait().await?;
        ensure!(status.success(), "the process that opened the queue again failed ({status})");
        Ok(reopened)
    }

    /// `kill -9`, and waits for its end.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.context("cannot kill a process")
    }

    fn start(step: &str, plan: &Plan, case: &Case, folder: &Path) -> Result<Self> {
        let place = case.place.to_possible_value().context("no such place")?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg(step)
            .args(["--queue", case.queue.name(), "--queued", &case.queued.to_string()])
            .args(["--place", place.get_name(), "--producers", &plan.producers.to_string()])
            .args(["--millis", &plan.measured.as_millis().to_string()])
            .arg("--folder")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a process")?;
        let output = BufReader::new(process.stdout.take().context("no output")?);
        Ok(Self { _input: process.stdin.take(), process, output })
    }

    async fn told<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.output.read_line(&mut line).await?;
        // Without a line it has failed, and has said so.
        serde_json::from_str(&line).context("the process told no figures")
    }
}
