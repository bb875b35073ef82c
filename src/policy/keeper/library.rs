//! The files of policies.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::super::wasm::sha256;
use crate::config::PolicyChoice;

/// A file that has changed so lately may still be in the middle of being written.
const SETTLED_AFTER: Duration = Duration::from_millis(200);

/// The directories with the files of policies. What was uploaded goes before what has the same name in the other one.
pub(super) struct Library {
    uploaded: PathBuf,
    directory: PathBuf,
    /// Of files that have been read.
    hashes: HashMap<PathBuf, (Stamp, Arc<str>)>,
}

/// The file of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PolicyFile {
    pub(super) path: PathBuf,
    pub(super) is_uploaded: bool,
    /// SHA-256 in hex.
    pub(super) sha256: Arc<str>,
    pub(super) bytes: u64,
    /// There is another one of this name in `POLICIES_DIR`, with other contents.
    pub(super) hides_another: bool,
}

/// What a look at the directories found: policies by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) by_name: BTreeMap<String, PolicyFile>,
    /// A file has changed just now: another look is worth while.
    pub(super) unsettled: bool,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Library {
    pub(super) fn new(uploaded: PathBuf, directory: PathBuf) -> Self {
        Self { uploaded, directory, hashes: HashMap::new() }
    }

    /// The file in which an uploaded policy is kept.
    pub(super) fn uploaded_path(&self, name: &str) -> PathBuf {
        self.uploaded.join(format!("{name}.wasm"))
    }

    /// The file that somebody would put there for it.
    pub(super) fn directory_path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.wasm"))
    }

    /// Looks at the directories. Reads files that it has not seen as they are.
    pub(super) fn look(&mut self) -> Files {
        let mut files = Files::default();
        let mut seen = Vec::new();
        for (directory, is_uploaded) in [(self.directory.clone(), false), (self.uploaded.clone(), true)] {
            for (name, path, metadata) in policies_in(&directory) {
                files.unsettled |= is_unsettled(&metadata);
                let hash = match self.hash(&path, &metadata) {
                    Ok(hash) => hash,
                    Err(error) => {
                        tracing::warn!(file = %path.display(), "the policy cannot be read: {error}");
                        continue;
                    }
                };
                let hidden = files.by_name.get(&name).is_some_and(|hidden| hidden.sha256 != hash);
                let file = PolicyFile {
                    path: path.clone(),
                    is_uploaded,
                    sha256: hash,
                    bytes: metadata.len(),
                    hides_another: hidden,
                };
                files.by_name.insert(name, file);
                seen.push(path);
            }
        }
        self.hashes.retain(|path, _| seen.contains(path));
        files
    }

    fn hash(&mut self, path: &Path, metadata: &Metadata) -> io::Result<Arc<str>> {
        let stamp = Stamp::of(metadata);
        if let Some((known, hash)) = self.hashes.get(path)
            && *known == stamp
        {
            return Ok(Arc::clone(hash));
        }
        let hash = sha256(&fs::read(path)?);
        self.hashes.insert(path.to_owned(), (stamp, Arc::clone(&hash)));
        Ok(hash)
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), bytes: metadata.len(), modified }
    }
}

fn is_unsettled(metadata: &Metadata) -> bool {
    let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    // What comes from the future is not waited for.
    age.is_some_and(|age| age < SETTLED_AFTER)
}

/// The policies directly in a directory, which need not be there.
fn policies_in(directory: &Path) -> Vec<(String, PathBuf, Metadata)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let path = entry.path();
            let name = path.file_name()?.to_str()?.strip_suffix(".wasm")?.to_owned();
            // Follows links: Kubernetes mounts files that way.
            let metadata = fs::metadata(&path).ok()?;
            (metadata.is_file() && PolicyChoice::is_name(&name)).then_some((name, path, metadata))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_uploaded_goes_before_the_directory_and_says_what_it_hides() {
        let (uploaded, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(directory.path().join("a.wasm"), "old").unwrap();
        fs::write(directory.path().join("b.wasm"), "only").unwrap();
        fs::write(directory.path().join("c.txt"), "no policy").unwrap();
        fs::create_dir(directory.path().join("d.wasm")).unwrap();
        fs::write(uploaded.path().join("a.wasm"), "new").unwrap();
        let mut library = Library::new(uploaded.path().to_owned(), directory.path().to_owned());
        let files = library.look();
        assert_eq!(files.by_name.keys().collect::<Vec<_>>(), ["a", "b"]);
        let (one, other) = (&files.by_name["a"], &files.by_name["b"]);
        assert!(one.is_uploaded && one.hides_another && one.sha256 == sha256(b"new"));
        assert!(!other.is_uploaded && !other.hides_another && files.unsettled);
    }

    #[test]
    fn a_file_written_anew_has_another_hash() {
        let directory = tempfile::tempdir().unwrap();
        let mut library = Library::new(directory.path().join("none"), directory.path().to_owned());
        let mut hash = |text: &str| {
            fs::write(directory.path().join("next"), text).unwrap();
            fs::rename(directory.path().join("next"), directory.path().join("a.wasm")).unwrap();
            library.look().by_name["a"].sha256.clone()
        };
        assert_ne!(hash("one"), hash("two"));
        assert_eq!(hash("two"), sha256(b"two"));
    }
}
