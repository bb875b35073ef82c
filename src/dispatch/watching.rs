//! Somebody who watches for the end of a task.

use tokio::sync::oneshot;

use super::Dispatcher;
use crate::task::TaskId;

/// Somebody watches for the end of a task; forgotten when this is dropped.
pub(super) struct Watching<'a> {
    dispatcher: &'a Dispatcher,
    id: TaskId,
    ended: oneshot::Receiver<()>,
}

impl Watching<'_> {
    /// Resolves when the task has ended, or is not watched over any more: look again then.
    pub(super) async fn ended(mut self) {
        let _ = (&mut self.ended).await;
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        // Closed first: only then it counts as gone.
        self.ended.close();
        self.dispatcher.flights.forget_waiters(self.id);
    }
}

impl Dispatcher {
    /// Begins to watch for the end of a task. Whoever looks at the task afterwards misses no ending.
    pub(super) fn watch(&self, id: TaskId) -> Watching<'_> {
        Watching { dispatcher: self, id, ended: self.flights.watch(id) }
    }
}
