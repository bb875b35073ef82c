//! One lane in memory: its tasks, their order, and what falls due.

mod requeue;
mod round;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::entry::{Entry, OrderKey};
use crate::queue::{
    Cancelled, Claim, ClaimRequest, LaneCounts, Lease, NewTask, QueueError, Released, Settled, Settlement, StateCounts,
    Waiting,
};
use crate::task::{ErrorCode, LaneKey, Priority, TaskId, TaskRecord, TaskSpec, TaskState, Timestamp};

/// One lane. Every step happens under its lock and does no I/O.
#[derive(Debug)]
pub(super) struct Lane {
    key: LaneKey,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<TaskId, Entry, RandomState>,
    ready: BTreeMap<OrderKey, TaskId>,
    /// When waiting tasks fall due (`run_at`) and expire.
    timers: BTreeSet<(Timestamp, TaskId)>,
    running: HashSet<TaskId, RandomState>,
    counts: StateCounts,
    paused: bool,
    next_sequence: u64,
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
    pub(super) state: TaskState,
    pub(super) code: Option<ErrorCode>,
    pub(super) at: Timestamp,
    pub(super) bytes: u64,
}

impl Lane {
    pub(super) fn new(key: LaneKey) -> Self {
        Self { key, inner: Mutex::default() }
    }

    pub(super) fn key(&self) -> &LaneKey {
        &self.key
    }

    /// Adds a task that is not known, and claims the head if asked to.
    pub(super) fn add(&self, task: NewTask, request: Option<&ClaimRequest>, now: Timestamp) -> (Option<Claim>, Change) {
        let mut inner = self.inner.lock();
        let id = task.spec.id;
        let sequence = inner.next_sequence;
        inner.next_sequence += 1;
        let entry = Entry::new(task, sequence, now);
        let state = entry.state;
        inner.entries.insert(id, entry);
        *inner.counts.of(state) += 1;

        let mut change = Change { waiting: 1, ..Change::default() };
        let idle = inner.ready.is_empty() && !inner.paused && state == TaskState::Queued;
        match request {
            // The task itself is the head: it needs no place in the order.
            Some(request) if idle => {
                let claim = inner.take(id, request);
                change.waiting = 0;
                (claim, change)
            }
            Some(request) => {
                change.alarm = inner.wait(id);
                let claim = inner.claim_head(request, now, &mut change);
                (claim, change)
            }
            None => {
                change.alarm = inner.wait(id);
                (None, change)
            }
        }
    }

    /// Claims the head.
    pub(super) fn claim(&self, request: &ClaimRequest, now: Timestamp) -> (Option<Claim>, Change) {
        let mut inner = self.inner.lock();
        let mut change = Change::default();
        let claim = inner.repeated(request).or_else(|| inner.claim_head(request, now, &mut change));
        (claim, change)
    }

    /// Claims one task.
    pub(super) fn claim_task(&self, id: TaskId, request: &ClaimRequest) -> (Option<Claim>, Change) {
        let mut inner = self.inner.lock();
        let mut change = Change::default();
        if let Some(claim) = inner.repeated(request) {
            return (Some(claim), change);
        }
        let queued = inner.entries.get(&id).is_some_and(|entry| entry.state == TaskState::Queued);
        if !queued || inner.paused {
            return (None, change);
        }
        inner.stop_waiting(id);
        change.waiting = -1;
        (inner.take(id, request), change)
    }

    pub(super) fn renew(&self, lease: &Lease, duration: Duration) -> bool {
        let mut inner = self.inner.lock();
        let Ok(entry) = inner.held(lease) else { return false };
        entry.lease_until = Instant::now() + duration;
        true
    }

    pub(super) fn settle(
        &self,
        lease: &Lease,
        settlement: Settlement,
        now: Timestamp,
    ) -> Result<(Settled, Change), QueueError> {
        let mut inner = self.inner.lock();
        if let Some(settled) = inner.settled_before(lease) {
            return Ok((settled, Change::default()));
        }
        let state = settlement.state();
        inner.held(lease)?.settled = Some((lease.token, settled_as(state)));
        let change = inner.leave_running(lease.task, state, |entry| entry.apply(settlement, now), now);
        Ok((settled_as(state), change))
    }

    /// Gives a claim back; `max_interruptions` counts it as an interruption.
    pub(super) fn release(
        &self,
        lease: &Lease,
        max_interruptions: Option<u32>,
        now: Timestamp,
    ) -> Result<(Released, Change), QueueError> {
        let mut inner = self.inner.lock();
        inner.held(lease)?;
        Ok(inner.give_back(lease.task, max_interruptions, now))
    }

    /// Ends a task that waits.
    pub(super) fn cancel(&self, id: TaskId, ending: Settlement, now: Timestamp) -> (Cancelled, Change) {
        let mut inner = self.inner.lock();
        match inner.entries.get(&id).map(|entry| entry.state) {
            None => (Cancelled::Unknown, Change::default()),
            Some(TaskState::Running) => (Cancelled::Running, Change::default()),
            Some(state) if state.is_ending() => (Cancelled::Ended, Change::default()),
            Some(_) => (Cancelled::Done, inner.end_waiting(id, ending, now)),
        }
    }

    pub(super) fn promote(&self, id: TaskId) -> bool {
        self.inner.lock().promote(id)
    }

    pub(super) fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> bool {
        let mut inner = self.inner.lock();
        let Some(entry) = inner.entries.get_mut(&id).filter(|entry| entry.state.is_waiting()) else { return false };
        let before = entry.order();
        entry.priority = priority;
        let after = entry.order();
        if inner.ready.remove(&before).is_some() {
            inner.ready.insert(after, id);
        }
        true
    }

    pub(super) fn record(&self, id: TaskId) -> Option<TaskRecord> {
        self.inner.lock().entries.get(&id).map(Entry::record)
    }

    /// Forgets a task that ended at that moment; gives what it was, or nothing if it has been run again since.
    pub(super) fn forget(&self, id: TaskId, ended_at: Timestamp) -> Option<Arc<TaskSpec>> {
        let mut inner = self.inner.lock();
        let ended = inner.entries.get(&id).filter(|entry| entry.finished_at == Some(ended_at));
        let state = ended.map(|entry| entry.state)?;
        let entry = inner.entries.remove(&id)?;
        *inner.counts.of(state) -= 1;
        Some(entry.spec)
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
        self.inner.lock().paused = paused;
    }
}

impl Inner {
    /// Puts a waiting task into its order and sets its timers; gives the first of them.
    fn wait(&mut self, id: TaskId) -> Option<Timestamp> {
        let entry = self.entries.get(&id)?;
        if entry.state == TaskState::Queued {
            self.ready.insert(entry.order(), id);
        }
        let due = entry.run_at.filter(|_| entry.state == TaskState::Delayed);
        self.timers.extend(due.map(|at| (at, id)));
        self.timers.insert((entry.spec.expires_at, id));
        Some(due.map_or(entry.spec.expires_at, |at| at.min(entry.spec.expires_at)))
    }

    /// Takes a waiting task out of its order and stops its timers.
    fn stop_waiting(&mut self, id: TaskId) {
        let Some(entry) = self.entries.get(&id) else { return };
        self.ready.remove(&entry.order());
        self.timers.remove(&(entry.spec.expires_at, id));
        if let Some(at) = entry.run_at {
            self.timers.remove(&(at, id));
        }
    }

    /// Makes a queued task, already out of the order, a running one.
    fn take(&mut self, id: TaskId, request: &ClaimRequest) -> Option<Claim> {
        let entry = self.entries.get_mut(&id)?;
        entry.state = TaskState::Running;
        entry.run_at = None;
        entry.token += 1;
        entry.request = Some(request.id);
        entry.lease_until = Instant::now() + request.lease;
        let claim = entry.claim();
        self.running.insert(id);
        self.counts.queued -= 1;
        self.counts.running += 1;
        Some(claim)
    }

    fn claim_head(&mut self, request: &ClaimRequest, now: Timestamp, change: &mut Change) -> Option<Claim> {
        if self.paused {
            return None;
        }
        let fresh = |id: &TaskId| {
            !request.skip.contains(id) && self.entries.get(id).is_some_and(|entry| entry.spec.expires_at > now)
        };
        // What has expired is left to the round, which tells everybody.
        let id = self.ready.values().copied().find(fresh)?;
        self.stop_waiting(id);
        change.waiting -= 1;
        self.take(id, request)
    }

    /// The claim that an earlier try of the same request made.
    fn repeated(&self, request: &ClaimRequest) -> Option<Claim> {
        if !request.repeat {
            return None;
        }
        let entries = self.running.iter().filter_map(|id| self.entries.get(id));
        entries.into_iter().find(|entry| entry.request == Some(request.id)).map(Entry::claim)
    }

    fn held(&mut self, lease: &Lease) -> Result<&mut Entry, QueueError> {
        self.entries
            .get_mut(&lease.task)
            .filter(|entry| entry.state == TaskState::Running && entry.token == lease.token)
            .ok_or(QueueError::LeaseLost)
    }

    /// What an earlier settle with the same token did.
    fn settled_before(&self, lease: &Lease) -> Option<Settled> {
        let (token, settled) = self.entries.get(&lease.task)?.settled?;
        (token == lease.token).then_some(settled)
    }

    fn leave_running(
        &mut self,
        id: TaskId,
        state: TaskState,
        apply: impl FnOnce(&mut Entry),
        now: Timestamp,
    ) -> Change {
        let mut change = Change::default();
        let Some(entry) = self.entries.get_mut(&id) else { return change };
        apply(entry);
        entry.state = state;
        self.running.remove(&id);
        self.counts.running -= 1;
        *self.counts.of(state) += 1;
        if state.is_ending() {
            change.ended = self.ended(id, now);
        } else {
            change.waiting = 1;
            change.alarm = self.wait(id);
        }
        change
    }

    fn give_back(&mut self, id: TaskId, max_interruptions: Option<u32>, now: Timestamp) -> (Released, Change) {
        let Some(entry) = self.entries.get_mut(&id) else { return (Released::Waits, Change::default()) };
        if let Some(limit) = max_interruptions {
            entry.interruptions += 1;
            if entry.interruptions > limit || entry.runs_once() {
                let ending = interrupted(entry.interruptions);
                let change = self.leave_running(id, TaskState::Failed, |entry| entry.apply(ending, now), now);
                return (Released::Failed, change);
            }
        }
        (Released::Waits, self.leave_running(id, TaskState::Queued, |_| {}, now))
    }

    fn end_waiting(&mut self, id: TaskId, ending: Settlement, now: Timestamp) -> Change {
        self.stop_waiting(id);
        let Some(entry) = self.entries.get_mut(&id) else { return Change::default() };
        let (before, after) = (entry.state, ending.state());
        entry.apply(ending, now);
        entry.state = after;
        *self.counts.of(before) -= 1;
        *self.counts.of(after) += 1;
        Change { waiting: -1, ended: self.ended(id, now), ..Change::default() }
    }

    fn promote(&mut self, id: TaskId) -> bool {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.state == TaskState::Delayed) else {
            return false;
        };
        entry.state = TaskState::Queued;
        let (order, expires_at) = (entry.order(), entry.spec.expires_at);
        // At the moment it expires, both are the same timer.
        if let Some(at) = entry.run_at.take().filter(|at| *at != expires_at) {
            self.timers.remove(&(at, id));
        }
        self.ready.insert(order, id);
        self.counts.delayed -= 1;
        self.counts.queued += 1;
        true
    }

    fn ended(&self, id: TaskId, now: Timestamp) -> Option<Ended> {
        let entry = self.entries.get(&id)?;
        Some(Ended { task: id, state: entry.state, code: entry.code, at: now, bytes: entry.bytes() })
    }
}

fn settled_as(state: TaskState) -> Settled {
    match state {
        TaskState::Queued => Settled::Waits(Waiting::Now),
        TaskState::Delayed => Settled::Waits(Waiting::Later),
        _ => Settled::Ended,
    }
}

fn interrupted(times: u32) -> Settlement {
    Settlement::Fail {
        attempt: None,
        error: format!("The task was interrupted {times} times").into(),
        code: ErrorCode::Interrupted,
        result: None,
    }
}
