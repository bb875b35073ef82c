//! Hearing of changes in a directory.

use std::path::PathBuf;
use std::sync::Arc;

use notify::event::AccessKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Has `touched` notified when something changes in a directory, for as long as the answer is kept. `None` if it cannot be watched,
/// perhaps because it is not there.
pub(super) async fn watch(directory: PathBuf, touched: Arc<Notify>) -> Option<RecommendedWatcher> {
    let begin = move || -> notify::Result<RecommendedWatcher> {
        let ready = Arc::clone(&touched);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading causes events too, which must not lead to reading again.
            let was_read = |event: &notify::Event| {
                matches!(event.kind, EventKind::Access(AccessKind::Open(_) | AccessKind::Read | AccessKind::Any))
            };
            if !event.as_ref().is_ok_and(was_read) {
                touched.notify_one();
            }
        })?;
        watcher.watch(&directory, RecursiveMode::NonRecursive)?;
        // It may have changed before anybody watched.
        ready.notify_one();
        Ok(watcher)
    };
    match tokio::task::spawn_blocking(begin).await.ok()? {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::debug!(%error, "the directory of policies is not watched: looking every 2 s instead");
            None
        }
    }
}
