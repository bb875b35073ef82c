//! The books of a queue that one process keeps: every lane, the order of its tasks, who holds which.
//!
//! Two backends stand on it. [`MemoryQueue`](super::MemoryQueue) has nothing else; [`EmbeddedQueue`](super::EmbeddedQueue) writes
//! every change to a store, and keeps in memory only what is needed to find the next task ([`Standing`]) unless the task runs.
//!
//! Every lane has its own lock, held for short steps without I/O; what crosses lanes (the index by id, the history) is sharded or
//! touched only at a task's beginning and end. Locks are taken in this order: index, keys, lane, store.

mod alarm;
mod change;
mod detail;
mod entry;
mod history;
mod index;
mod kept;
mod keys;
mod lane;
mod lanes;
mod look;
mod notices;
mod order;
mod pages;
mod restore;
mod standing;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

pub(super) use self::alarm::Alarm;
pub(super) use self::detail::{Detail, End, Found, Place, Seen, Stored};
pub(super) use self::entry::{Part, Written};
use self::history::History;
use self::index::Index;
pub(super) use self::kept::Whereabouts;
use self::keys::Keys;
pub(super) use self::lane::Taken;
use self::lane::{Change, Ended};
use self::lanes::Lanes;
pub(super) use self::look::Look;
pub(super) use self::order::Order;
pub(super) use self::pages::Records;
pub(super) use self::restore::StoredTask;
pub(super) use self::standing::{Phase, Standing};
pub(super) use self::store::{EntryRef, NoStore, Note, Store};
use super::{Ending, QueueError, QueueEvent, QueueLimits};
use crate::task::{Clock, LaneKey, TaskId, Timestamp};

/// Events kept for a receiver that is behind.
const EVENT_BUFFER: usize = 4_096;
/// The least time between two rounds over the lanes.
const ROUND_PAUSE: Duration = Duration::from_millis(5);
/// The most time between two rounds: leases and the age of ended tasks are looked at this often.
const ROUND_INTERVAL: Duration = Duration::from_secs(1);
/// How many ended tasks are forgotten at once: whoever ends a task makes room for it and a little more, the rounds do the rest.
const EVICTED_WITH_AN_ENDING: usize = 2;
const EVICTED_IN_A_ROUND: usize = 512;

/// The books of a queue.
#[derive(Debug)]
pub(super) struct Ledger<S> {
    limits: QueueLimits,
    clock: Clock,
    store: Arc<S>,
    lanes: Lanes<S>,
    index: Index,
    keys: Keys,
    history: History,
    /// Tasks that wait, in all lanes.
    waiting: AtomicU64,
    alarm: Alarm,
    events: broadcast::Sender<QueueEvent>,
}

impl<S: Store> Ledger<S> {
    /// Empty books.
    pub(super) fn new(limits: QueueLimits, clock: Clock, store: Arc<S>) -> Self {
        Self {
            limits,
            clock,
            lanes: Lanes::new(Arc::clone(&store)),
            store,
            index: Index::default(),
            keys: Keys::default(),
            history: History::default(),
            waiting: AtomicU64::new(0),
            alarm: Alarm::default(),
            events: broadcast::Sender::new(EVENT_BUFFER),
        }
    }

    pub(super) fn store(&self) -> &Arc<S> {
        &self.store
    }

    pub(super) fn events(&self) -> broadcast::Receiver<QueueEvent> {
        self.events.subscribe()
    }

    /// Tells whoever listens that a lane has become claimable.
    pub(super) fn tell_claimable(&self, lane: &LaneKey) {
        self.tell(QueueEvent::Claimable(lane.clone()));
    }

    /// The books' own work (tasks that fall due, leases that run out, retention), until cancelled.
    pub(super) async fn run(&self, cancel: CancellationToken) {
        loop {
            let wait = self.alarm.next().map_or(ROUND_INTERVAL, |at| at.since(self.clock.now()).min(ROUND_INTERVAL));
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                () = self.alarm.moved_up() => continue,
                () = tokio::time::sleep(wait.max(ROUND_PAUSE)) => {}
            }
            self.alarm.clear();
            self.round().await;
        }
    }

    /// One round over the lanes: what fell due, what ran out, what is kept too long.
    async fn round(&self) {
        let now = self.clock.now();
        for lane in self.lanes.all() {
            let round = lane.round(now, self.limits.max_interruptions);
            for change in &round.changes {
                self.follow(lane.number(), change);
                if let Some(ended) = &change.ended {
                    let ending = Ending { task: ended.task, state: ended.state, code: ended.code };
                    self.tell(QueueEvent::Ended(ending));
                }
            }
            if round.claimable {
                self.tell(QueueEvent::Claimable(lane.key().clone()));
            }
            if let Some(at) = round.next {
                self.alarm.set(at);
            }
            tokio::task::yield_now().await;
        }
        while self.evict(EVICTED_IN_A_ROUND) == EVICTED_IN_A_ROUND {
            tokio::task::yield_now().await;
        }
    }

    /// Takes in what a step of a lane changed beyond the lane.
    fn follow(&self, lane: u32, change: &Change) {
        match change.waiting {
            0 => {}
            more if more > 0 => drop(self.waiting.fetch_add(more.unsigned_abs(), Ordering::Relaxed)),
            fewer => drop(self.waiting.fetch_sub(fewer.unsigned_abs(), Ordering::Relaxed)),
        }
        if let Some(at) = change.alarm {
            self.alarm.set(at);
        }
        if let Some((task, ended_at)) = change.revived {
            self.history.remove(task, ended_at);
        }
        if let Some(ended) = &change.ended {
            self.keep_ended(EntryRef { lane, slot: ended.slot }, ended);
        }
    }

    /// Takes an ended task in among those that the limits of retention count, unless it owes a notice still; makes room for it.
    fn keep_ended(&self, entry: EntryRef, ended: &Ended) {
        if !ended.owes_notice {
            self.history.add(entry, ended);
            self.evict(EVICTED_WITH_AN_ENDING);
        }
    }

    /// Forgets ended tasks beyond the limits of retention, at most so many; says how many.
    fn evict(&self, most: usize) -> usize {
        let now = self.clock.now();
        let mut evicted = 0;
        while evicted < most
            && let Some((entry, id, ended_at)) = self.history.pop_excess(&self.limits, now)
        {
            self.forget(entry, id, ended_at, false);
            evicted += 1;
        }
        evicted
    }

    /// Forgets a task that has ended, and with it its idempotency key. `false` if there is none.
    fn forget(&self, entry: EntryRef, id: TaskId, ended_at: Timestamp, told: bool) -> bool {
        let lane = self.lanes.of(entry);
        let Some(keyed) = lane.and_then(|lane| lane.forget(entry.slot, id, ended_at, told)) else { return false };
        self.index.remove(id);
        if keyed {
            self.keys.remove(id);
        }
        true
    }

    fn admit(&self) -> Result<(), QueueError> {
        if self.waiting.load(Ordering::Relaxed) >= self.limits.max_waiting {
            return Err(QueueError::Full { limit: self.limits.max_waiting });
        }
        Ok(())
    }

    fn tell(&self, event: QueueEvent) {
        // Nobody listening is no fault.
        let _ = self.events.send(event);
    }
}
