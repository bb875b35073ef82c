//! Processes that do not outlive the bench.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;

/// How long a process may take to stop by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How much of its output is shown when it fails.
const SHOWN_LINES: usize = 20;

/// A process that is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts it with nothing of our environment but `PATH` and what `command` sets; its output goes to a file in `folder`,
    /// where it also runs.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let settings: Vec<_> =
            command.get_envs().map(|(key, value)| (key.to_owned(), value.map(ToOwned::to_owned))).collect();
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        for (key, value) in settings {
            command.envs(value.map(|value| (key, value)));
        }
        let process = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), process, log })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Fails, with the end of its output, if it has ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} has ended ({status}):\n{}", self.name, self.last_output()),
        }
    }

    /// The end of its output.
    pub(crate) fn last_output(&self) -> String {
        let output = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Drop for Child {
    /// Asks first: nginx's own child would outlive it otherwise.
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.id().to_string()).stderr(Stdio::null()).status();
        let deadline = Instant::now() + STOP_TIMEOUT;
        while asked.is_ok() && Instant::now() < deadline && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // Of no effect on a process that has ended.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
