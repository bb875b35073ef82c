//! Starting the bench, and reading what it counted.

use std::collections::BTreeMap;
use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use instructions_bench::TIMES;
use serde_json::Value;

/// Instructions of each piece of work, by name.
pub(crate) fn count() -> Result<BTreeMap<String, u64>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo has told this program of its package would have dependencies built again that look at such variables.
    let told = env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("CARGO_PKG_"));
    told.chain(["CARGO_MANIFEST_DIR".into(), "CARGO_MANIFEST_PATH".into()]).for_each(|name| {
        cargo.env_remove(name);
    });
    cargo.args(["bench", "--locked", "--profile", "profiling", "--bench", "core", "--", "--output-format=json"]);
    let output = cargo.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "the bench failed");
    let counts: BTreeMap<_, _> = String::from_utf8(output.stdout)?.lines().map(counted).collect::<Result<_>>()?;
    ensure!(!counts.is_empty(), "the bench has counted nothing");
    Ok(counts)
}

/// What a line of the bench's output says: a name, and the instructions of doing that once.
fn counted(line: &str) -> Result<(String, u64)> {
    let summary: Value = serde_json::from_str(line).with_context(|| format!("not a summary: {line}"))?;
    let word = |field: &str| summary[field].as_str().map(|word| word.replace('_', " "));
    let names = [word("group"), word("function_name"), word("id")];
    let instructions = instructions(&summary["profiles"]).with_context(|| format!("no count in: {line}"))?;
    Ok((names.into_iter().flatten().collect::<Vec<_>>().join(" "), instructions / u64::from(TIMES)))
}

fn instructions(profiles: &Value) -> Option<u64> {
    profiles[0]["data"]["total"]["metrics"]["Ir"]["values"]["new"].as_u64()
}
