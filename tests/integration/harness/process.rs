//! A process of the binary under test.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::until_some;

/// A process of `andera-lb`, killed when dropped. Its output is kept line by line.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `andera-lb` with these arguments and only these variables.
    pub(crate) fn start(args: &[&str], env: &[(&str, &str)], directory: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_andera-lb"))
            .args(args)
            .env_clear()
            .envs(env.iter().copied())
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = Arc::default();
        keep_lines(child.stdout.take().unwrap(), &lines);
        keep_lines(child.stderr.take().unwrap(), &lines);
        Self { child, lines }
    }

    /// Everything it has printed so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// What follows `marker` in the first line that has it, up to the next blank.
    pub(crate) async fn printed(&self, marker: &str) -> String {
        until_some(&format!("a line with {marker:?} in {:#?}", self.lines()), || async {
            let lines = self.lines.lock();
            let after = lines.iter().find_map(|line| line.split_once(marker)).map(|(_, after)| after.to_owned());
            after.map(|after| after.split([' ', ')']).next().unwrap_or_default().to_owned())
        })
        .await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(std::time::Duration::from_mins(1), self.child.wait()).await.expect("it ends").unwrap()
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

fn keep_lines(output: impl AsyncRead + Send + Unpin + 'static, kept: &Arc<Mutex<Vec<String>>>) {
    let kept = Arc::clone(kept);
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            kept.lock().push(line);
        }
    });
}
