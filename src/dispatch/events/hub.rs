//! Who listens, and what they are told in which order.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc};

use super::event::{Step, TaskEvent};
use super::others::Outgoing;
use crate::task::TaskId;

/// Events kept for a receiver of all tasks' events that is behind.
const EVENT_BUFFER: usize = 4_096;
/// The same for one task's.
const TASK_BUFFER: usize = 64;
const SHARDS: usize = 16;

/// Who listens to what happens to tasks. Costs a look at a counter and a flag while nobody does.
#[derive(Debug)]
pub(in crate::dispatch) struct TaskEvents {
    all: broadcast::Sender<Arc<TaskEvent>>,
    /// Receivers of any kind.
    listeners: AtomicUsize,
    prepared: AtomicU64,
    pub(super) outgoing: Outgoing,
    /// The tasks that are watched or have something prepared. Sharded by the ids' last bits.
    shards: [Mutex<HashMap<TaskId, Followed, RandomState>>; SHARDS],
}

#[derive(Debug, Default)]
struct Followed {
    /// Steps that the queue is asked for, in the order they were prepared.
    prepared: Vec<(u64, Arc<TaskEvent>)>,
    watchers: Vec<mpsc::Sender<Arc<TaskEvent>>>,
}

/// A step that the queue is about to be asked for. Dropped untold, it was not taken.
pub(in crate::dispatch) struct News<'a, F: Fn() -> TaskEvent> {
    hub: &'a TaskEvents,
    build: F,
    /// The task and the number of the prepared event, unless nobody listened then.
    prepared: Option<(TaskId, u64)>,
}

impl Default for TaskEvents {
    fn default() -> Self {
        Self {
            all: broadcast::Sender::new(EVENT_BUFFER),
            listeners: AtomicUsize::new(0),
            prepared: AtomicU64::new(0),
            outgoing: Outgoing::default(),
            shards: Default::default(),
        }
    }
}

impl TaskEvents {
    /// All events from now on; whoever has heard enough says so by [`Self::left`].
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<TaskEvent>> {
        self.listeners.fetch_add(1, Ordering::SeqCst);
        self.outgoing.listener.notify_one();
        self.all.subscribe()
    }

    /// The events of one task from now on; the channel is closed when it is full.
    pub(super) fn subscribe_to(&self, task: TaskId) -> mpsc::Receiver<Arc<TaskEvent>> {
        self.listeners.fetch_add(1, Ordering::SeqCst);
        self.outgoing.listener.notify_one();
        let (sender, events) = mpsc::channel(TASK_BUFFER);
        self.shard(task).lock().entry(task).or_default().watchers.push(sender);
        events
    }

    /// A listener has left.
    pub(super) fn left(&self) {
        self.listeners.fetch_sub(1, Ordering::SeqCst);
    }

    /// The same for one of a single task; its receiver has been closed.
    pub(super) fn left_task(&self, task: TaskId) {
        let mut shard = self.shard(task).lock();
        if let Some(followed) = shard.get_mut(&task) {
            followed.watchers.retain(|watcher| !watcher.is_closed());
            forget_idle(&mut shard, task);
        }
        self.left();
    }

    /// Prepares the event of a step that the queue is about to be asked for.
    pub(in crate::dispatch) fn prepare<F: Fn() -> TaskEvent>(&self, build: F) -> News<'_, F> {
        let prepared = self.is_heard().then(|| {
            let event = build();
            let (task, number) = (event.task, self.prepared.fetch_add(1, Ordering::Relaxed));
            self.shard(task).lock().entry(task).or_default().prepared.push((number, Arc::new(event)));
            (task, number)
        });
        News { hub: self, build, prepared }
    }

    /// Tells of a step that has been taken.
    pub(in crate::dispatch) fn tell(&self, build: impl FnOnce() -> TaskEvent) {
        if self.is_heard() {
            let event = Arc::new(build());
            let mut shard = self.shard(event.task).lock();
            let followed = shard.entry(event.task).or_default();
            let age = followed.prepared.len();
            self.send(followed, age, &event);
            forget_idle(&mut shard, event.task);
        }
    }

    /// Tells of a step that another balancer has taken.
    pub(super) fn tell_foreign(&self, event: TaskEvent) {
        if self.has_listeners() {
            let event = Arc::new(event);
            let mut shard = self.shard(event.task).lock();
            let followed = shard.entry(event.task).or_default();
            self.pass_on(&mut followed.watchers, &event);
            forget_idle(&mut shard, event.task);
        }
    }

    fn tell_prepared(&self, task: TaskId, number: u64) {
        let mut shard = self.shard(task).lock();
        let Some(followed) = shard.get_mut(&task) else { return };
        // Somebody who saw its effect may have told it.
        if let Some(age) = followed.position(number) {
            let (_, event) = followed.prepared.remove(age);
            self.send(followed, age, &event);
        }
        forget_idle(&mut shard, task);
    }

    fn withdraw(&self, task: TaskId, number: u64) {
        let mut shard = self.shard(task).lock();
        let Some(followed) = shard.get_mut(&task) else { return };
        followed.prepared.retain(|(other, _)| *other != number);
        forget_idle(&mut shard, task);
    }

    /// Sends an event, and before it what must have happened first. `age` is the number of steps prepared earlier.
    fn send(&self, followed: &mut Followed, age: usize, event: &Arc<TaskEvent>) {
        let mut at = 0;
        let first = followed.prepared.extract_if(.., |(_, other)| {
            at += 1;
            precedes(other, at <= age, event)
        });
        for (_, first) in first.collect::<Vec<_>>() {
            self.pass_on(&mut followed.watchers, &first);
            self.outgoing.push(&first);
        }
        self.pass_on(&mut followed.watchers, event);
        self.outgoing.push(event);
    }

    fn pass_on(&self, watchers: &mut Vec<mpsc::Sender<Arc<TaskEvent>>>, event: &Arc<TaskEvent>) {
        // One that is full loses its sender, and so knows that it has missed something.
        watchers.retain(|watcher| watcher.try_send(Arc::clone(event)).is_ok());
        // Without a receiver there is nothing to do.
        let _ = self.all.send(Arc::clone(event));
    }

    fn is_heard(&self) -> bool {
        // A receiver is counted before it looks at the queue, and this is asked after the queue has taken the step: whoever looked
        // too early to see the step is seen here.
        self.has_listeners() || self.outgoing.is_wanted()
    }

    /// Whether somebody listens here.
    pub(super) fn has_listeners(&self) -> bool {
        self.listeners.load(Ordering::SeqCst) > 0
    }

    fn shard(&self, task: TaskId) -> &Mutex<HashMap<TaskId, Followed, RandomState>> {
        &self.shards[(task.as_u128() % SHARDS as u128) as usize]
    }
}

/// Whether a prepared step must have been taken before `event` could happen; `older` says whether it was prepared earlier.
fn precedes(prepared: &TaskEvent, older: bool, event: &TaskEvent) -> bool {
    if event.step == Step::Requeued {
        return prepared.state.is_ending();
    }
    // A step that makes a task wait, but not one of its next life.
    prepared.state.is_waiting() && (older || matches!(prepared.step, Step::Submitted | Step::Concluded))
}

fn forget_idle(shard: &mut HashMap<TaskId, Followed, RandomState>, task: TaskId) {
    if shard.get(&task).is_some_and(|followed| followed.prepared.is_empty() && followed.watchers.is_empty()) {
        shard.remove(&task);
    }
}

impl Followed {
    fn position(&self, number: u64) -> Option<usize> {
        self.prepared.iter().position(|(other, _)| *other == number)
    }
}

impl<F: Fn() -> TaskEvent> News<'_, F> {
    /// The step has been taken.
    pub(in crate::dispatch) fn tell(mut self) {
        match self.prepared.take() {
            Some((task, number)) => self.hub.tell_prepared(task, number),
            None => self.hub.tell(&self.build),
        }
    }
}

impl<F: Fn() -> TaskEvent> Drop for News<'_, F> {
    fn drop(&mut self) {
        if let Some((task, number)) = self.prepared.take() {
            self.hub.withdraw(task, number);
        }
    }
}
