//! Follows the workers file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::file::{self, FileError, Listing};
use super::registry::Shared;

/// Between two looks at the file: not every mount tells of changes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How long to wait after an event for others of the same change.
const SETTLE_TIME: Duration = Duration::from_millis(50);
/// How long a broken file may still be in the middle of being written.
const DOUBT_TIME: Duration = Duration::from_millis(150);

/// Follows the workers file and puts its changes in force.
pub(super) struct FileWatch {
    shared: Arc<Shared>,
    path: PathBuf,
    /// The content in force.
    good: Vec<u8>,
    detached: bool,
}

/// What a look at the file found.
enum Look {
    Same,
    Changed(Vec<u8>, Listing),
    Broken(FileError),
}

impl FileWatch {
    /// Follows the file whose content, in force already, is `good`.
    pub(super) fn new(shared: Arc<Shared>, good: Vec<u8>, detached: bool) -> Self {
        let path = shared.settings.file.clone();
        let mut watch = Self { shared, path, good, detached: false };
        watch.note_detached(detached);
        watch
    }

    /// Runs until the fleet stops.
    pub(super) async fn follow(mut self) {
        let cancel = self.shared.cancel.clone();
        let touched = Arc::new(Notify::new());
        let mut watcher = self.watch_directory(&touched, true).await;
        loop {
            let told = tokio::select! {
                () = cancel.cancelled() => return,
                () = touched.notified() => {
                    sleep(SETTLE_TIME).await;
                    true
                }
                () = sleep(POLL_INTERVAL) => false,
            };
            // A mount that hangs must not hold up the shutdown.
            let Some(changed) = cancel.run_until_cancelled(self.check()).await else { return };
            if changed && !told && watcher.is_some() {
                // The directory may be another one under the same name by now.
                watcher = self.watch_directory(&touched, false).await;
            }
        }
    }

    /// Looks at the file; true if it has changed.
    async fn check(&mut self) -> bool {
        let mut look = self.look().await;
        if matches!(look, Look::Broken(_)) && self.shared.file_error.lock().is_none() {
            sleep(DOUBT_TIME).await;
            look = self.look().await;
        }
        match look {
            Look::Same => {
                self.set_error(None);
                false
            }
            Look::Changed(bytes, listing) => {
                self.set_error(None);
                self.good = bytes;
                listing.warn_of_duplicates();
                self.shared.list(&listing.addresses);
                true
            }
            Look::Broken(error) => self.set_error(Some(error)),
        }
    }

    async fn look(&mut self) -> Look {
        let path = self.path.clone();
        let contents = match tokio::task::spawn_blocking(move || file::read(&path)).await {
            Ok(Ok(contents)) => contents,
            Ok(Err(error)) => return Look::Broken(error),
            // The runtime is shutting down.
            Err(_) => return Look::Same,
        };
        self.note_detached(contents.detached);
        if contents.bytes == self.good {
            return Look::Same;
        }
        match file::parse(&contents.bytes) {
            Ok(listing) => Look::Changed(contents.bytes, listing),
            Err(error) => Look::Broken(error),
        }
    }

    /// True if that is news.
    fn set_error(&self, error: Option<FileError>) -> bool {
        let error: Option<Arc<str>> = error.map(|error| error.to_string().into());
        let before = std::mem::replace(&mut *self.shared.file_error.lock(), error.clone());
        if before == error {
            return false;
        }
        if let Some(error) = error {
            tracing::error!(%error, "the last good worker list stays in force");
        } else {
            tracing::info!(file = %self.path.display(), "the workers file is good again");
        }
        self.shared.bump();
        true
    }

    fn note_detached(&mut self, detached: bool) {
        if detached && !self.detached {
            tracing::warn!(
                file = %self.path.display(),
                "the workers file has been replaced where it came from, and this process can only see the old one: a container \
                 that mounts a single file keeps the file of its start. Restart it, edit the file in place, or mount its directory"
            );
        }
        self.detached = detached;
    }

    async fn watch_directory(&self, touched: &Arc<Notify>, first: bool) -> Option<RecommendedWatcher> {
        let (path, touched) = (self.path.clone(), Arc::clone(touched));
        match tokio::task::spawn_blocking(move || watch_directory(&path, touched)).await {
            Ok(Ok(watcher)) => Some(watcher),
            Ok(Err(error)) => {
                if first {
                    tracing::warn!(%error, "the directory of the workers file cannot be watched: looking every 2 s instead");
                }
                None
            }
            Err(_) => None,
        }
    }
}

/// Watches the file's directory, since editors replace files and a watch on the file would stay with the old one; and the file,
/// since a container that mounts it alone hears of changes made outside by the file only.
fn watch_directory(path: &Path, touched: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(OsString::from).unwrap_or_default();
    let ready = Arc::clone(&touched);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.map_or(true, |event| concerns(&event, &name)) {
            touched.notify_one();
        }
    })?;
    watcher.watch(directory, RecursiveMode::NonRecursive)?;
    if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
        tracing::debug!(%error, "the workers file is watched through its directory only");
    }
    // It may have changed before anybody watched.
    ready.notify_one();
    Ok(watcher)
}

/// Whether the file may have changed. Reading it causes events too, which must not lead to reading it again.
fn concerns(event: &notify::Event, name: &OsString) -> bool {
    if matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write)) {
        return false;
    }
    event.need_rescan()
        || event.paths.iter().filter_map(|path| path.file_name()).any(|touched| {
            // Kubernetes replaces the directory `..data`, into which the file is a link.
            touched == name || touched.as_encoded_bytes().starts_with(b"..")
        })
}

impl Listing {
    pub(super) fn warn_of_duplicates(&self) {
        for worker in &self.duplicates {
            tracing::warn!(%worker, "listed twice in the workers file; it counts once");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_change_made_through_another_directory_is_heard_of() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (path, other_name) = (inside.path().join("workers.json"), outside.path().join("workers.json"));
        std::fs::write(&other_name, "[]").unwrap();
        // The same file under two names, as in a container that mounts it.
        std::fs::hard_link(&other_name, &path).unwrap();
        let touched = Arc::new(Notify::new());
        let _watcher = watch_directory(&path, Arc::clone(&touched)).unwrap();
        touched.notified().await;

        std::fs::write(&other_name, "[1]").unwrap();
        timeout(PATIENCE, touched.notified()).await.unwrap();
    }
}
