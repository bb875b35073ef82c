//! Versions of policies that one can go back to, and the policy that was activated.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::task::Timestamp;

/// Versions of one policy that are kept, the present one included.
const KEPT: usize = 5;
const STATE: &str = "state.json";

/// Keeps what outlives a restart, in a directory of its own.
pub(super) struct Versions {
    directory: PathBuf,
    state: State,
}

/// A version that has been in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptVersion {
    /// SHA-256 of its file, in hex.
    pub sha256: Arc<str>,
    /// When it was first used, in milliseconds since the Unix epoch.
    since: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct State {
    /// In the form of `POLICY`.
    activated: Option<String>,
    /// The present version last.
    versions: BTreeMap<String, Vec<KeptVersion>>,
}

impl KeptVersion {
    /// When it was first used.
    pub fn since(&self) -> Timestamp {
        Timestamp::from_millis(self.since)
    }
}

impl Versions {
    /// Reads what is there. A state that cannot be read is put aside: it is worth a line in the log, not a balancer that does not start.
    pub(super) fn open(directory: PathBuf) -> Self {
        let path = directory.join(STATE);
        let state = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::error!(file = %path.display(), "the state of policies is broken and begins anew: {error}");
                // Best effort: what matters is in the files.
                let _ = fs::rename(&path, directory.join("state.broken.json"));
                State::default()
            }),
            Err(_) => State::default(),
        };
        Self { directory, state }
    }

    /// The policy that was activated, in the form of `POLICY`.
    pub(super) fn activated(&self) -> Option<&str> {
        self.state.activated.as_deref()
    }

    pub(super) fn set_activated(&mut self, choice: Option<String>) -> io::Result<()> {
        self.change(|state| state.activated = choice)
    }

    /// The versions of a policy, the present one last.
    pub(super) fn of(&self, name: &str) -> &[KeptVersion] {
        self.state.versions.get(name).map_or(&[], Vec::as_slice)
    }

    /// The version that was used before that one.
    pub(super) fn before(&self, name: &str, sha256: &str) -> Option<KeptVersion> {
        let versions = self.of(name);
        let at = versions.iter().position(|version| *version.sha256 == *sha256).unwrap_or(versions.len());
        at.checked_sub(1).and_then(|before| versions.get(before)).cloned()
    }

    /// The file of a version.
    pub(super) fn read(&self, sha256: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(sha256))
    }

    /// That version is in use now: it is kept, and those that came after it are not any more, if there were any.
    pub(super) fn used(&mut self, name: &str, sha256: &Arc<str>, bytes: &[u8], now: Timestamp) -> io::Result<()> {
        let versions = self.of(name);
        if versions.last().is_some_and(|present| present.sha256 == *sha256) && self.path(sha256).exists() {
            return Ok(());
        }
        let known = versions.iter().position(|version| version.sha256 == *sha256);
        if !self.path(sha256).exists() {
            self.write(&self.path(sha256), bytes)?;
        }
        let version = KeptVersion { sha256: Arc::clone(sha256), since: now.as_millis() };
        self.change(|state| {
            let versions = state.versions.entry(name.to_owned()).or_default();
            match known {
                Some(at) => versions.truncate(at + 1),
                None => versions.push(version),
            }
            let surplus = versions.len().saturating_sub(KEPT);
            versions.drain(..surplus);
        })?;
        self.drop_unused();
        Ok(())
    }

    /// Writes a file so that it is there as a whole or not at all.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let directory = path.parent().unwrap_or(&self.directory);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let draft = path.with_extension("draft");
        let mut file = fs::File::create(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.directory.join("kept").join(format!("{sha256}.wasm"))
    }

    fn change(&mut self, change: impl FnOnce(&mut State)) -> io::Result<()> {
        let mut state = self.state.clone();
        change(&mut state);
        if state != self.state {
            self.write(&self.directory.join(STATE), &serde_json::to_vec_pretty(&state)?)?;
            self.state = state;
        }
        Ok(())
    }

    /// Removes files of versions that nobody can go back to.
    fn drop_unused(&self) {
        let kept: BTreeSet<String> =
            self.state.versions.values().flatten().map(|version| format!("{}.wasm", version.sha256)).collect();
        for entry in fs::read_dir(self.directory.join("kept")).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(|name| !kept.contains(name)) {
                // It is looked at again the next time.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn use_all(versions: &mut Versions, contents: &[&str]) {
        for text in contents {
            versions.used("a", &Arc::from(*text), text.as_bytes(), Timestamp::from_millis(5)).unwrap();
        }
    }

    fn shown(versions: &Versions) -> Vec<&str> {
        versions.of("a").iter().map(|version| &*version.sha256).collect()
    }

    #[test]
    fn one_can_go_back_step_by_step_and_a_new_version_begins_there() {
        let directory = tempfile::tempdir().unwrap();
        let mut versions = Versions::open(directory.path().to_owned());
        use_all(&mut versions, &["1", "2", "3"]);
        assert_eq!(&*versions.before("a", "3").unwrap().sha256, "2");
        use_all(&mut versions, &["2"]);
        assert_eq!((shown(&versions), versions.read("1").unwrap()), (vec!["1", "2"], b"1".to_vec()));
        use_all(&mut versions, &["4"]);
        assert_eq!(shown(&versions), ["1", "2", "4"]);
        assert_eq!(versions.before("a", "1"), None);
        assert_eq!(&*versions.before("a", "unknown").unwrap().sha256, "4");
        assert!(versions.read("3").is_err(), "nobody can go back to it");
    }

    #[test]
    fn a_restart_finds_what_was_kept_and_old_versions_go() {
        let directory = tempfile::tempdir().unwrap();
        let mut versions = Versions::open(directory.path().to_owned());
        use_all(&mut versions, &["1", "2", "3", "4", "5", "6"]);
        versions.set_activated(Some("wasm:a".to_owned())).unwrap();
        let versions = Versions::open(directory.path().to_owned());
        assert_eq!((shown(&versions), versions.activated()), (vec!["2", "3", "4", "5", "6"], Some("wasm:a")));
        assert!(versions.read("1").is_err() && versions.read("2").is_ok());
    }

    #[test]
    fn a_broken_state_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(STATE), "{").unwrap();
        let versions = Versions::open(directory.path().to_owned());
        assert_eq!((versions.activated(), versions.of("a").len()), (None, 0));
        assert!(directory.path().join("state.broken.json").exists());
    }
}
