//! Policies in other languages, built by the tools of each language: new projects, and the samples.

mod bindings;
mod projects;
mod samples;
mod toolchain;
mod traffic;

use std::path::{Path, PathBuf};
use std::time::Duration;

use andera_lb::policy::{CheckedPolicy, Directory, LoadError, Loader, PolicyLimits, Setup};

/// A file of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Loads a policy within the memory that policies have by default. What it compiles to is kept between runs.
async fn load(file: &Path, config: &str, directory: Directory) -> Result<CheckedPolicy, LoadError> {
    let bytes = std::fs::read(file).unwrap();
    let setup = Setup { config: config.to_owned(), directory: directory.into() };
    // The machine may be busy.
    let limits =
        PolicyLimits { deadline: Duration::from_secs(5), load_deadline: Duration::from_mins(2), memory: 64 << 20 };
    let load = move || {
        // Tests that want the same policy find it compiled, all but the first.
        let _lock = toolchain::locked("compiler");
        Loader::new(limits, Some(&toolchain::compiled())).unwrap().load("wasm:probe", &bytes, setup)
    };
    tokio::task::spawn_blocking(load).await.unwrap()
}
