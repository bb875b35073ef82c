//! Counts that were written down.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Counts, and what they were made with.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// What makes a difference to the counts beside the sources, by name.
    pub(crate) made_with: BTreeMap<String, String>,
    /// Instructions of each piece of work, by name.
    pub(crate) instructions: BTreeMap<String, u64>,
}

impl Baseline {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no baseline", path.display()))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The compiler, valgrind, and the processor: the C library chooses how to copy memory by what that can do.
pub(crate) fn present_tools() -> Result<BTreeMap<String, String>> {
    let of = |name: &str, value: String| (name.to_owned(), value);
    Ok(BTreeMap::from([
        of("rustc", said_by("rustc")?),
        of("valgrind", said_by("valgrind")?),
        of("processor", processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned())),
    ]))
}

fn said_by(program: &str) -> Result<String> {
    let output = Command::new(program).arg("--version").output().with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{program} --version fails");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn processor() -> Option<String> {
    let known = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = known.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
