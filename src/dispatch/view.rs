//! Looking at tasks.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Dispatcher;
use super::waiting::WaitingView;
use crate::queue::{QueueError, TaskFilter};
use crate::task::{Attempt, TaskId, TaskRecord, TaskState};

/// What is known of a task, the attempt under way included.
#[derive(Clone, Debug)]
pub struct TaskView {
    /// The task as it is stored.
    pub record: TaskRecord,
    /// The attempt under way, if it runs here.
    pub current: Option<Attempt>,
    /// Why it waits, while it does.
    pub waiting: Option<WaitingView>,
}

/// One page of tasks, newest first.
#[derive(Clone, Debug)]
pub struct TaskListing {
    /// The tasks. Their positions are not counted.
    pub tasks: Vec<TaskView>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<TaskId>,
}

impl Dispatcher {
    /// What is known of a task.
    pub async fn task_view(&self, id: TaskId) -> Result<Option<TaskView>, QueueError> {
        let Some(record) = self.queue.get(id).await? else { return Ok(None) };
        let waiting = match record.state {
            TaskState::Queued => {
                let paused = self.queue.lane_counts(&record.spec.lane).await?.paused;
                let position = self.queue.position(id).await?;
                Some(WaitingView { reason: self.why_it_waits(&record, paused), position })
            }
            TaskState::Delayed => Some(WaitingView { reason: self.why_it_waits(&record, false), position: None }),
            _ => None,
        };
        Ok(Some(self.view_of(record, waiting)))
    }

    /// Tasks that match, newest first.
    pub async fn list(&self, mut filter: TaskFilter) -> Result<TaskListing, QueueError> {
        if let Some(worker) = &filter.worker {
            filter.on_worker_now = self.flights.sent_to(worker);
        }
        let page = self.queue.list(&filter).await?;
        let mut paused = HashMap::new();
        let mut tasks = Vec::with_capacity(page.tasks.len());
        for record in page.tasks {
            let lane = &record.spec.lane;
            if record.state == TaskState::Queued && !paused.contains_key(lane) {
                paused.insert(lane.clone(), self.queue.lane_counts(lane).await?.paused);
            }
            let waiting = record.state.is_waiting().then(|| {
                let paused = paused.get(lane).copied().unwrap_or(false);
                WaitingView { reason: self.why_it_waits(&record, paused), position: None }
            });
            tasks.push(self.view_of(record, waiting));
        }
        Ok(TaskListing { tasks, next: page.next })
    }

    fn view_of(&self, record: TaskRecord, waiting: Option<WaitingView>) -> TaskView {
        let running = record.state == TaskState::Running;
        let current = if running { self.flights.current_attempt(record.spec.id) } else { None };
        TaskView { record, current, waiting }
    }

    /// What is known of a task once it has ended, or after `limit`, whichever comes first.
    pub async fn task_view_at_end(&self, id: TaskId, limit: Duration) -> Result<Option<TaskView>, QueueError> {
        let deadline = Instant::now() + limit;
        // Subscribed first, then looked: an ending in between is not missed.
        let watching = self.watch(id);
        let view = self.task_view(id).await?;
        if view.as_ref().is_none_or(|view| view.record.state.is_ending()) {
            return Ok(view);
        }
        tokio::select! {
            biased;
            () = watching.ended() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = self.draining.cancelled() => {}
        }
        self.task_view(id).await
    }
}
