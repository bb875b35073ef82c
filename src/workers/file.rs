//! The workers file: a JSON array of base URLs.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::{InvalidAddress, WorkerAddress};

/// The largest workers file, in bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// The most workers one file may list.
const WORKERS_MAX: usize = 10_000;
/// How much of a wrong entry is shown, in bytes.
const SHOWN_MAX_BYTES: usize = 120;

/// Why a workers file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("the workers file {0} does not exist")]
    Missing(String),
    /// It cannot be read.
    #[error("the workers file {0} cannot be read: {1}")]
    Unreadable(String, #[source] io::Error),
    /// It is a directory or a device.
    #[error("the workers file {0} is not a regular file")]
    NotAFile(String),
    /// It is longer than 1 MiB.
    #[error("the workers file is larger than 1 MiB")]
    TooLarge,
    /// It is not JSON.
    #[error("the workers file is not JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// It is JSON, but no array.
    #[error("the workers file must be a JSON array of URLs, like [\"http://worker:3000\"]")]
    NotAnArray,
    /// It lists more than 10000 workers.
    #[error("the workers file lists more than {WORKERS_MAX} workers")]
    TooMany,
    /// An entry is not a text.
    #[error("entry {0} of the workers file is not a text")]
    NotAText(usize),
    /// An entry is not the base URL of a worker.
    #[error("entry {entry} of the workers file{}: {reason}", shown(text))]
    Entry {
        /// Counted from 1.
        entry: usize,
        /// The entry, cut; empty if it might hold a secret.
        text: String,
        /// What is wrong with it.
        reason: InvalidAddress,
    },
}

fn shown(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

/// The bytes of a workers file.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) bytes: Vec<u8>,
    /// No directory leads to the file any more, so nobody can change it: a container's mount of a single file keeps showing
    /// the old one after the host has replaced it.
    pub(super) detached: bool,
}

/// The workers of a file.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) addresses: Vec<Arc<WorkerAddress>>,
    /// Entries that name a worker a second time.
    pub(super) duplicates: Vec<Arc<str>>,
}

/// Reads the file. Blocks.
pub(super) fn read(path: &Path) -> Result<Contents, FileError> {
    let shown = || path.display().to_string();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing(shown()),
        _ => FileError::Unreadable(shown(), error),
    };
    // Asked before it is opened: opening a pipe would wait for a writer.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(FileError::NotAFile(shown()));
    }
    let file = File::open(path).map_err(failed)?;
    let detached = is_detached(&file).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(FileError::TooLarge);
    }
    Ok(Contents { bytes, detached })
}

#[cfg(unix)]
fn is_detached(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.nlink() == 0)
}

#[cfg(not(unix))]
fn is_detached(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Checks every entry; one wrong entry makes the whole file wrong.
pub(super) fn parse(bytes: &[u8]) -> Result<Listing, FileError> {
    // Editors on Windows begin a file with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let value: Value = serde_json::from_slice(bytes).map_err(FileError::Syntax)?;
    let Value::Array(entries) = value else { return Err(FileError::NotAnArray) };
    if entries.len() > WORKERS_MAX {
        return Err(FileError::TooMany);
    }
    let mut listed = HashSet::new();
    let mut listing = Listing { addresses: Vec::new(), duplicates: Vec::new() };
    for (at, entry) in entries.iter().enumerate() {
        let text = entry.as_str().ok_or(FileError::NotAText(at + 1))?;
        let wrong = |reason| FileError::Entry { entry: at + 1, text: showable(text), reason };
        let address = WorkerAddress::parse(text).map_err(wrong)?;
        // The form that requests are sent in: it tells whether two addresses lead to the same place.
        let place = reqwest::Url::parse(address.url()).map_err(|_| wrong(InvalidAddress::Malformed))?;
        if listed.insert(place) {
            listing.addresses.push(Arc::new(address));
        } else {
            listing.duplicates.push(Arc::clone(address.url()));
        }
    }
    Ok(listing)
}

/// A wrong entry as it may be logged. Credentials and queries may hold secrets.
fn showable(text: &str) -> String {
    if text.contains(['@', '?', '#']) {
        return String::new();
    }
    text[..text.floor_char_boundary(SHOWN_MAX_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(text: &str) -> Vec<String> {
        parse(text.as_bytes()).unwrap().addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reads_base_urls_with_and_without_a_slash() {
        assert_eq!(urls(r#"["http://a:1/", "https://b"]"#), ["http://a:1", "https://b"]);
        assert_eq!(urls("\u{feff}[]"), Vec::<String>::new());
    }

    #[test]
    fn a_worker_that_is_listed_twice_counts_once() {
        let listing = parse(br#"["http://a:80", "http://b", "http://A/", "http://b/"]"#).unwrap();
        assert_eq!(
            listing.addresses.iter().map(|address| &**address.url()).collect::<Vec<_>>(),
            ["http://a:80", "http://b"]
        );
        assert_eq!(listing.duplicates.iter().map(|url| &**url).collect::<Vec<_>>(), ["http://A", "http://b"]);
    }

    #[test]
    fn an_invalid_file_is_explained_by_entry_and_reason() {
        let reason = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            reason(r#"["http://a", "ftp://b"]"#),
            "entry 2 of the workers file (ftp://b): the scheme must be http or https"
        );
        assert_eq!(reason("[1]"), "entry 1 of the workers file is not a text");
        assert!(reason("{}").contains("JSON array"));
        assert!(reason(r#"["http://a""#).contains("line 1"));
    }

    #[test]
    fn credentials_in_an_entry_are_not_repeated_in_the_error() {
        for entry in ["http://user:hunter2@w", "user:hunter2@w", "http://w/?key=hunter2"] {
            let reason = parse(format!("[{entry:?}]").as_bytes()).unwrap_err().to_string();
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn what_is_missing_too_large_or_no_file_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read(directory.path()), Err(FileError::NotAFile(_))));
        let path = directory.path().join("workers.json");
        assert!(matches!(read(&path), Err(FileError::Missing(_))));
        std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        assert!(matches!(read(&path), Err(FileError::TooLarge)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_a_name_is_noticed() {
        use std::os::fd::AsRawFd;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("workers.json");
        std::fs::write(&path, "[]").unwrap();
        assert!(!read(&path).unwrap().detached);
        let open = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let contents = read(Path::new(&format!("/proc/self/fd/{}", open.as_raw_fd()))).unwrap();
        assert_eq!((contents.bytes.as_slice(), contents.detached), (b"[]".as_slice(), true));
    }
}
