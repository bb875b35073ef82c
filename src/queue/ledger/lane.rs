//! One lane of a ledger: its tasks, their order, and what falls due.

mod inner;
mod notices;
mod requeue;
mod restore;
mod round;
mod timers;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::time::Instant;

use self::inner::Inner;
use super::detail::{Detail, Found, Place};
use super::entry::Written;
use super::kept::Whereabouts;
use super::look::Look;
use super::standing::{Phase, Standing};
use super::store::{EntryRef, Note, Store};
use crate::queue::{
    Cancelled, ClaimRequest, LaneCounts, Lease, NewTask, QueueError, Released, Settled, Settlement, Waiting,
};
use crate::task::{ErrorCode, LaneKey, Priority, TaskId, TaskSpec, TaskState, Timestamp};

/// One lane. Every step happens under its lock and does no I/O.
#[derive(Debug)]
pub(super) struct Lane<S> {
    number: u32,
    key: LaneKey,
    inner: Mutex<Inner<S>>,
}

/// A task that has been claimed.
#[derive(Debug)]
pub(in crate::queue) struct Taken {
    pub(in crate::queue) entry: EntryRef,
    pub(in crate::queue) lease: Lease,
    pub(in crate::queue) standing: Standing,
    pub(in crate::queue) found: Found,
}

/// What a step changed beyond its lane.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// By how much the number of waiting tasks changed.
    pub(super) waiting: i64,
    /// A moment that the lane must be looked at.
    pub(super) alarm: Option<Timestamp>,
    /// The task that has ended.
    pub(super) ended: Option<Ended>,
    /// When a task had ended that waits again.
    pub(super) revived: Option<(TaskId, Timestamp)>,
}

/// A task that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) task: TaskId,
    pub(super) slot: u32,
    pub(super) state: TaskState,
    pub(super) code: Option<ErrorCode>,
    pub(super) at: Timestamp,
    pub(super) bytes: u64,
    pub(super) owes_notice: bool,
}

impl<S: Store> Lane<S> {
    pub(super) fn new(number: u32, key: LaneKey, store: Arc<S>) -> Self {
        Self { number, inner: Mutex::new(Inner::new(number, key.clone(), store)), key }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn key(&self) -> &LaneKey {
        &self.key
    }

    /// Adds a task that is not known, and claims the head if asked to.
    pub(super) fn add(
        &self,
        task: NewTask,
        request: Option<&ClaimRequest>,
        now: Timestamp,
    ) -> (u32, Option<Taken>, Change) {
        let mut inner = self.inner.lock();
        let idle = inner.ready.is_empty() && !inner.paused && task.run_at.is_none_or(|at| at <= now);
        let spec = S::KEEPS.then(|| Arc::clone(&task.spec));
        let slot = inner.insert(task, now);
        let mut change = Change { waiting: 1, ..Change::default() };
        let taken = match request {
            // The task itself is the head: it needs no place in the order.
            Some(request) if idle => {
                change.waiting = 0;
                let taken = inner.take(slot, request);
                inner.note_added(slot, spec);
                taken
            }
            Some(request) => {
                inner.note_added(slot, spec);
                change.alarm = inner.wait(slot);
                inner.claim_head(request, now, &mut change)
            }
            None => {
                inner.note_added(slot, spec);
                change.alarm = inner.wait(slot);
                None
            }
        };
        (slot, taken, change)
    }

    /// Claims the head.
    pub(super) fn claim(&self, request: &ClaimRequest, now: Timestamp) -> (Option<Taken>, Change) {
        let mut inner = self.inner.lock();
        let mut change = Change::default();
        let taken = inner.repeated(request).or_else(|| inner.claim_head(request, now, &mut change));
        (taken, change)
    }

    /// Claims one task.
    pub(super) fn claim_task(&self, slot: u32, id: TaskId, request: &ClaimRequest) -> (Option<Taken>, Change) {
        let mut inner = self.inner.lock();
        let mut change = Change::default();
        if let Some(taken) = inner.repeated(request) {
            return (Some(taken), change);
        }
        let queued = inner.entry(slot, id).is_some_and(|entry| entry.standing.phase == Phase::Queued);
        if !queued || inner.paused {
            return (None, change);
        }
        inner.stop_waiting(slot);
        change.waiting = -1;
        let taken = inner.take(slot, request);
        inner.note(slot, false, false);
        (taken, change)
    }

    /// Has the detail of a task that was claimed, as the store gave it; gives the task as it is to be run.
    pub(super) fn warm(&self, slot: u32, lease: &Lease, detail: Detail) -> Option<Arc<TaskSpec>> {
        self.inner.lock().held(slot, lease).ok().map(|entry| entry.warm(detail))
    }

    pub(super) fn renew(&self, slot: u32, lease: &Lease, duration: Duration) -> bool {
        let mut inner = self.inner.lock();
        if inner.held(slot, lease).is_err() {
            return false;
        }
        inner.hold_until(slot, Instant::now() + duration);
        true
    }

    pub(super) fn settle(
        &self,
        slot: u32,
        lease: &Lease,
        settlement: Settlement,
        now: Timestamp,
    ) -> Result<(Settled, Change), QueueError> {
        let mut inner = self.inner.lock();
        if let Some(settled) = inner.settled_before(slot, lease) {
            return Ok((settled, Change::default()));
        }
        let phase = phase_after(&settlement, now);
        let entry = inner.held(slot, lease)?;
        let settled = settled_as(phase.state());
        entry.settled = Some((entry.standing.version, settled));
        let attempted = entry.apply(settlement);
        Ok((settled, inner.leave_running(slot, phase, attempted)))
    }

    /// Gives a claim back; `max_interruptions` counts it as an interruption.
    pub(super) fn release(
        &self,
        slot: u32,
        lease: &Lease,
        max_interruptions: Option<u32>,
        now: Timestamp,
    ) -> Result<(Released, Change), QueueError> {
        let mut inner = self.inner.lock();
        inner.held(slot, lease)?;
        Ok(inner.give_back(slot, max_interruptions, now))
    }

    /// Ends a task that waits.
    pub(super) fn cancel(&self, slot: u32, id: TaskId, ending: Settlement, now: Timestamp) -> (Cancelled, Change) {
        let mut inner = self.inner.lock();
        match inner.entry(slot, id).map(|entry| entry.standing.state()) {
            None => (Cancelled::Unknown, Change::default()),
            Some(TaskState::Running) => (Cancelled::Running, Change::default()),
            Some(state) if state.is_ending() => (Cancelled::Ended, Change::default()),
            Some(_) => (Cancelled::Done, inner.end_waiting(slot, ending, now)),
        }
    }

    pub(super) fn promote(&self, slot: u32, id: TaskId) -> bool {
        let mut inner = self.inner.lock();
        inner.entry(slot, id).is_some() && inner.promote(slot)
    }

    pub(super) fn reprioritize(&self, slot: u32, id: TaskId, priority: Option<Priority>) -> bool {
        let mut inner = self.inner.lock();
        let Some(entry) = inner.entry_mut(slot, id).filter(|entry| entry.standing.state().is_waiting()) else {
            return false;
        };
        let before = entry.standing.order;
        let after = before.with_priority(priority);
        entry.standing.order = after;
        entry.standing.version += 1;
        if inner.ready.remove(&before).is_some() {
            inner.ready.insert(after, slot);
        }
        inner.note(slot, false, false);
        true
    }

    /// What is known of a task, if where it stands is of interest.
    pub(super) fn look_if(&self, slot: u32, id: TaskId, wanted: impl FnOnce(&Standing) -> bool) -> Option<Look> {
        let inner = self.inner.lock();
        let entry = inner.entry(slot, id).filter(|entry| wanted(&entry.standing))?;
        Some(Look { standing: entry.standing, seen: entry.seen() })
    }

    /// Where a task stands.
    pub(super) fn standing(&self, slot: u32, id: TaskId) -> Option<Standing> {
        self.inner.lock().entry(slot, id).map(|entry| entry.standing)
    }

    /// Where a task stands, and where the store has it.
    pub(super) fn places(&self, slot: u32, id: TaskId) -> Option<Whereabouts> {
        let inner = self.inner.lock();
        let entry = inner.entry(slot, id)?;
        let attempts = entry.detail().map(|detail| detail.attempts.clone()).filter(|attempts| !attempts.is_empty());
        let end = entry.end().filter(|_| entry.standing.state().is_ending()).cloned();
        let at = EntryRef { lane: inner.number, slot };
        Some(Whereabouts { entry: at, standing: entry.standing, places: entry.places(), attempts, end })
    }

    /// Forgets a task that ended at that moment; whether it held an idempotency key. `None` if it has been run again since.
    /// `told` if it must not come back after a restart.
    pub(super) fn forget(&self, slot: u32, id: TaskId, ended_at: Timestamp, told: bool) -> Option<bool> {
        let mut inner = self.inner.lock();
        let state = inner
            .entry(slot, id)
            .filter(|entry| entry.standing.phase.finished_at() == Some(ended_at))
            .map(|entry| entry.standing.state())?;
        let entry = inner.remove(slot)?;
        *inner.counts.of(state) -= 1;
        if S::KEEPS {
            inner.tell(Note::Forgotten { id, places: entry.places(), told });
        }
        Some(entry.keyed)
    }

    /// The store has a part of a task. Gives the places that are of no use any more, or nothing if the task is not there any more.
    pub(super) fn written(&self, slot: u32, id: TaskId, written: Written) -> Option<SmallVec<[Place; 3]>> {
        let mut inner = self.inner.lock();
        let entry = inner.entry_mut(slot, id)?;
        let before = entry.places();
        entry.written(written);
        if entry.standing.version == written.version && entry.standing.phase != Phase::Running {
            entry.cool();
        }
        let after = entry.places();
        let mut useless: SmallVec<[Place; 3]> =
            before.into_iter().flatten().filter(|place| !after.contains(&Some(*place))).collect();
        if !after.contains(&Some(written.place)) {
            useless.push(written.place);
        }
        Some(useless)
    }

    pub(super) fn counts(&self) -> LaneCounts {
        let inner = self.inner.lock();
        LaneCounts { lane: self.key.clone(), counts: inner.counts, paused: inner.paused }
    }

    /// Whether a task that comes now would be the head.
    pub(super) fn is_idle(&self) -> bool {
        let inner = self.inner.lock();
        inner.ready.is_empty() && !inner.paused
    }

    pub(super) fn set_paused(&self, paused: bool) {
        let mut inner = self.inner.lock();
        inner.paused = paused;
        if S::KEEPS {
            inner.tell(Note::Paused { lane: self.key.clone(), paused });
        }
    }
}

fn phase_after(settlement: &Settlement, now: Timestamp) -> Phase {
    match settlement {
        Settlement::Complete { .. } => Phase::Completed(now),
        Settlement::Fail { .. } => Phase::Failed(now),
        Settlement::Cancel { .. } => Phase::Cancelled(now),
        Settlement::Retry { at, .. } => Phase::waiting(*at),
    }
}

fn settled_as(state: TaskState) -> Settled {
    match state {
        TaskState::Queued => Settled::Waits(Waiting::Now),
        TaskState::Delayed => Settled::Waits(Waiting::Later),
        _ => Settled::Ended,
    }
}
