//! The policy in WebAssembly.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::arguments::Arguments;
use crate::guest::Guest;
use crate::stage::Stage;

const DIRECTORY: &str = "policies";

/// Fails if there is none.
pub(crate) fn ensure_there(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.smoke || arguments.policy.is_file(),
        "there is no {}; build it with `make policies ARGS=rust`, or name one with --policy FILE",
        arguments.policy.display()
    );
    Ok(())
}

/// Puts it where balancers of that stage find it, and returns the settings that choose it. In the short form a small one written in
/// WebAssembly text will do.
pub(crate) fn place(arguments: &Arguments, stage: &Stage) -> Result<[(&'static str, &'static str); 2]> {
    ensure_there(arguments)?;
    let folder = stage.folder().join(DIRECTORY);
    fs::create_dir_all(&folder)?;
    let file = folder.join("sticky.wasm");
    if arguments.policy.is_file() {
        copy(&arguments.policy, &file)?;
    } else {
        fs::write(&file, Guest::least_loaded().module())?;
    }
    Ok([("POLICY", "wasm:sticky"), ("POLICIES_DIR", DIRECTORY)])
}

pub(crate) fn copy(policy: &Path, to: &Path) -> Result<()> {
    fs::copy(policy, to).with_context(|| format!("cannot copy {}", policy.display()))?;
    Ok(())
}
