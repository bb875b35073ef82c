//! One task, followed to its end.

use std::sync::Arc;
use std::time::Duration;

use super::event::TaskEvent;
use super::receiver::{EventReceiver, Watch};
use crate::dispatch::{Dispatcher, TaskView};
use crate::queue::QueueError;
use crate::task::{TaskId, TaskState};

/// How often a task is looked at of which nothing is heard: what the queue does by itself it does not always tell.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// What is told of a task that is followed.
#[derive(Clone, Debug)]
pub enum FollowUp {
    /// How it stands: at first, in the end, and where a change was not heard of.
    Task(Box<TaskView>),
    /// A change.
    Event(Arc<TaskEvent>),
}

/// Follows a task to its end.
pub struct TaskFollower {
    dispatcher: Arc<Dispatcher>,
    task: TaskId,
    watch: Watch,
    /// The look that is to be told.
    found: Option<TaskView>,
    told: Told,
    over: bool,
}

/// What was told last.
#[derive(Debug)]
struct Told {
    state: TaskState,
    /// Attempts that have ended, and whether another is under way.
    progress: (u32, bool),
    /// Whether what is heard from here on happened after the task was looked at.
    fresh: bool,
}

impl Dispatcher {
    /// Hears what happens to all tasks, from now on until the drain begins.
    pub fn events(&self) -> EventReceiver {
        EventReceiver::new(&self.events, self.draining.clone())
    }

    /// Follows a task from how it stands now to its end. `None` if there is no such task.
    pub async fn follow(self: &Arc<Self>, task: TaskId) -> Result<Option<TaskFollower>, QueueError> {
        // Subscribed first, then looked: an ending in between is not missed.
        let watch = Watch::new(&self.events, task);
        let Some(view) = self.task_view(task).await? else { return Ok(None) };
        let told = Told::of(&view);
        Ok(Some(TaskFollower { dispatcher: Arc::clone(self), task, watch, found: Some(view), told, over: false }))
    }
}

impl TaskFollower {
    /// What is to be told next; `None` after the ending, and once the drain has begun and what was told before has been heard.
    pub async fn next(&mut self) -> Option<FollowUp> {
        let dispatcher = Arc::clone(&self.dispatcher);
        loop {
            if self.over {
                return None;
            }
            if let Some(view) = self.found.take() {
                self.over = view.record.state.is_ending();
                return Some(FollowUp::Task(Box::new(view)));
            }
            let event = tokio::select! {
                biased;
                event = self.watch.events.recv() => event,
                () = dispatcher.draining.cancelled() => return None,
                () = tokio::time::sleep(LOOK_AGAIN) => {
                    self.look().await;
                    continue;
                }
            };
            let Some(event) = event else {
                // It fell behind: some changes are lost, how the task stands is not.
                self.watch = Watch::new(&dispatcher.events, self.task);
                self.look().await;
                continue;
            };
            if let Some(told) = self.hear(event).await {
                return Some(told);
            }
        }
    }

    /// Looks at the task, and tells if it stands otherwise than was told.
    async fn look(&mut self) {
        match self.dispatcher.task_view(self.task).await {
            Ok(Some(view)) => {
                let told = Told::of(&view);
                if (told.state, told.progress) != (self.told.state, self.told.progress) {
                    self.found = Some(view);
                }
                self.told = told;
            }
            // It has ended and was forgotten.
            Ok(None) => self.over = true,
            Err(error) => tracing::warn!(task = %self.task, %error, "cannot look at a task that is followed"),
        }
    }

    async fn hear(&mut self, event: Arc<TaskEvent>) -> Option<FollowUp> {
        if event.state.is_ending() {
            return self.hear_ending(event).await;
        }
        if !self.told.fresh && !self.told.is_before(&event) {
            return None;
        }
        self.told = Told { state: event.state, progress: event.progress(), fresh: true };
        Some(FollowUp::Event(event))
    }

    async fn hear_ending(&mut self, event: Arc<TaskEvent>) -> Option<FollowUp> {
        let view = self.dispatcher.task_view(self.task).await;
        match view {
            Ok(Some(view)) if view.record.state.is_ending() => {
                self.over = true;
                Some(FollowUp::Task(Box::new(view)))
            }
            // An end before the one that is waited for: the task was run again before it was looked at.
            Ok(Some(_)) if !self.told.fresh => None,
            // It has been run again or forgotten since, or cannot be looked at.
            _ => {
                self.over = true;
                Some(FollowUp::Event(event))
            }
        }
    }
}

impl TaskEvent {
    fn progress(&self) -> (u32, bool) {
        (self.attempts, self.state == TaskState::Running)
    }
}

impl Told {
    fn of(view: &TaskView) -> Self {
        let state = view.record.state;
        let ended = u32::try_from(view.record.attempts.len()).unwrap_or(u32::MAX);
        Self { state, progress: (ended, view.current.is_some()), fresh: false }
    }

    /// Whether that event happened after what was told.
    fn is_before(&self, event: &TaskEvent) -> bool {
        let sooner = self.state == TaskState::Delayed && event.state == TaskState::Queued;
        event.progress() > self.progress || (event.progress() == self.progress && sooner)
    }
}

impl std::fmt::Debug for TaskFollower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskFollower").field("task", &self.task).field("told", &self.told).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::events::event::Step;
    use crate::task::{Contract, LaneKey, Timestamp};

    fn event(state: TaskState, attempts: u32) -> TaskEvent {
        let lane = LaneKey::new("g", Contract::new(1.0).unwrap());
        let at = Timestamp::from_millis(1);
        let (task, step) = (TaskId::new(at, 1), Step::Concluded);
        let (function, attempt, run_at, code, error) = ("f".into(), None, None, None, None);
        TaskEvent { task, lane, function, state, at, attempts, attempt, run_at, code, error, step }
    }

    #[test]
    fn what_happened_before_the_look_is_told_apart() {
        use TaskState::{Delayed, Queued, Running};
        let told = |state, ended| Told { state, progress: (ended, state == Running), fresh: false };
        for (state, ended, before) in [
            (Running, 1, vec![event(Queued, 0), event(Running, 0), event(Delayed, 1), event(Running, 1)]),
            (Delayed, 1, vec![event(Queued, 0), event(Running, 0), event(Delayed, 1)]),
            (Queued, 1, vec![event(Delayed, 1), event(Queued, 1)]),
        ] {
            for event in before {
                assert!(!told(state, ended).is_before(&event), "{state:?} {event:?}");
            }
        }
        assert!(told(Queued, 0).is_before(&event(Running, 0)));
        assert!(told(Running, 0).is_before(&event(Delayed, 1)));
        assert!(told(Delayed, 1).is_before(&event(Queued, 1)), "promoted");
    }
}
