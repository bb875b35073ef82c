//! Those who listen.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::event::TaskEvent;
use super::hub::TaskEvents;
use crate::task::TaskId;

/// What a receiver of all events hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An event.
    Event(Arc<TaskEvent>),
    /// It fell behind, and so many events were dropped for it.
    Lagged(u64),
}

/// Hears the events of all tasks.
#[derive(Debug)]
pub struct EventReceiver {
    pub(super) events: broadcast::Receiver<Arc<TaskEvent>>,
    hub: Arc<TaskEvents>,
    over: CancellationToken,
}

/// Hears the events of one task. It is closed when it falls behind: then the task is to be looked at.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) events: mpsc::Receiver<Arc<TaskEvent>>,
    task: TaskId,
    hub: Arc<TaskEvents>,
}

impl EventReceiver {
    /// Hears what is told from now on, until `over`.
    pub(in crate::dispatch) fn new(hub: &Arc<TaskEvents>, over: CancellationToken) -> Self {
        Self { events: hub.subscribe(), hub: Arc::clone(hub), over }
    }

    /// The next event; `None` once the drain has begun and what was told before has been heard.
    pub async fn next(&mut self) -> Option<Heard> {
        let heard = tokio::select! {
            biased;
            heard = self.events.recv() => heard,
            () = self.over.cancelled() => return None,
        };
        match heard {
            Ok(event) => Some(Heard::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Heard::Lagged(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Watch {
    /// Hears what is told of that task from now on.
    pub(super) fn new(hub: &Arc<TaskEvents>, task: TaskId) -> Self {
        Self { events: hub.subscribe_to(task), task, hub: Arc::clone(hub) }
    }
}

impl Drop for EventReceiver {
    fn drop(&mut self) {
        self.hub.left();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Closed first: only then it counts as gone.
        self.events.close();
        self.hub.left_task(self.task);
    }
}
