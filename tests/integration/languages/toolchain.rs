//! Builds with real tools. What was built once from the same content is kept in the target folder.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::repository;

/// Where everything goes.
pub(super) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("policies");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Compiled policies, as the balancer keeps them.
pub(super) fn compiled() -> PathBuf {
    let cache = folder().join("compiled");
    // Others may make it at the same moment.
    let _ = fs::DirBuilder::new().mode(0o700).create(&cache);
    cache
}

/// The policy that `build` writes to the path it is given, unless it did so before from the same `sources` (files, and folders with all that
/// is in them). `prepare` makes those that are not there yet. One at a time for each name, whoever else runs tests here.
pub(super) async fn built(
    name: &str,
    sources: Vec<PathBuf>,
    prepare: impl FnOnce() + Send + 'static,
    build: impl FnOnce(&Path) + Send + 'static,
) -> PathBuf {
    let name = name.to_owned();
    let work = move || {
        let _lock = locked(&name);
        prepare();
        let file = folder().join(format!("{name}-{:016x}.wasm", fingerprint(&sources)));
        if !file.exists() {
            let unfinished = folder().join(format!("{name}.unfinished.wasm"));
            build(&unfinished);
            older(&name).for_each(|file| fs::remove_file(file).unwrap());
            fs::rename(&unfinished, &file).unwrap();
        }
        file
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// What was built under this name before.
fn older(name: &str) -> impl Iterator<Item = PathBuf> + '_ {
    let is_of = move |file: &str| {
        let key = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".wasm"));
        key.is_some_and(|key| key.len() == 16)
    };
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(move |path| is_of(&path.file_name().unwrap().to_string_lossy()))
}

/// Runs a command to its end. It must succeed.
pub(super) fn run(folder: &Path, command: &[&str]) {
    let mut process = Command::new(command[0]);
    // `make test` is no business of the makefiles that are run here.
    for variable in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"] {
        process.env_remove(variable);
    }
    let output = process.args(&command[1..]).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; `make test` installs it"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}:\n{}{}", text(&output.stdout), text(&output.stderr));
}

/// Gets the tools of a language, if they are not there yet.
pub(super) fn fetch_tools(language: &str) {
    let _lock = locked("tools");
    run(&repository("."), &["scripts/policy-tools.sh", language]);
}

/// Nobody else has this lock, in whatever process.
pub(super) fn locked(name: &str) -> File {
    let lock = File::create(folder().join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    lock
}

fn fingerprint(sources: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for source in sources {
        add(&mut hasher, source);
    }
    hasher.finish()
}

fn add(hasher: &mut DefaultHasher, path: &Path) {
    // What tools leave behind, and what no tool reads.
    const LEFT_OUT: [&str; 5] = ["node_modules", "__pycache__", "target", "Cargo.lock", "README.md"];
    let name = path.file_name().unwrap();
    if LEFT_OUT.iter().any(|left| name == *left) {
        return;
    }
    hasher.write(name.as_encoded_bytes());
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in &entries {
            add(hasher, entry);
        }
    } else {
        let content = fs::read(path).unwrap();
        hasher.write_usize(content.len());
        hasher.write(&content);
    }
}
