//! The inside of a lane, under its lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use slab::Slab;
use tokio::time::Instant;

use super::timers::Timers;
use super::{Change, Ended, Taken, phase_after};
use crate::queue::ledger::entry::Entry;
use crate::queue::ledger::order::Order;
use crate::queue::ledger::standing::Phase;
use crate::queue::ledger::store::{EntryRef, Note, Store};
use crate::queue::{
    ClaimRequest, Lease, NewTask, OwedNotice, QueueError, Released, RequestId, Settled, Settlement, StateCounts,
};
use crate::task::{ErrorCode, LaneKey, TaskId, TaskSpec, Timestamp};

/// The inside of a lane. Tasks are named by their slots here: four bytes instead of sixteen.
#[derive(Debug)]
pub(super) struct Inner<S> {
    pub(super) number: u32,
    pub(super) key: LaneKey,
    store: Arc<S>,
    pub(super) entries: Slab<Entry>,
    pub(super) ready: BTreeMap<Order, u32>,
    pub(super) timers: Timers,
    pub(super) running: HashMap<u32, Hold, RandomState>,
    /// The notices that tasks owe.
    pub(super) owed: BTreeSet<OwedNotice>,
    pub(super) counts: StateCounts,
    pub(super) paused: bool,
    pub(super) next_sequence: u64,
}

/// Who holds a task that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub(super) request: RequestId,
    pub(super) until: Instant,
}

impl<S: Store> Inner<S> {
    pub(super) fn new(number: u32, key: LaneKey, store: Arc<S>) -> Self {
        Self {
            number,
            key,
            store,
            entries: Slab::new(),
            ready: BTreeMap::new(),
            timers: Timers::default(),
            running: HashMap::default(),
            owed: BTreeSet::new(),
            counts: StateCounts::default(),
            paused: false,
            next_sequence: 0,
        }
    }

    pub(super) fn insert(&mut self, task: NewTask, now: Timestamp) -> u32 {
        let entry = Entry::new(task, self.next_sequence, now);
        self.next_sequence += 1;
        self.keep(entry)
    }

    /// Gives an entry a slot, and counts it.
    pub(super) fn keep(&mut self, entry: Entry) -> u32 {
        *self.counts.of(entry.standing.state()) += 1;
        // Four billion tasks in one lane would not fit into memory.
        u32::try_from(self.entries.insert(entry)).unwrap_or(u32::MAX)
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Entry> {
        let entry = self.entries.try_remove(slot as usize)?;
        if let Some(ended_at) = entry.standing.phase.finished_at() {
            self.owed.remove(&OwedNotice { ended_at, task: entry.id });
        }
        Some(entry)
    }

    pub(super) fn at(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot as usize)
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)
    }

    /// The entry of that slot, if it is still that task's.
    pub(super) fn entry(&self, slot: u32, id: TaskId) -> Option<&Entry> {
        self.at(slot).filter(|entry| entry.id == id)
    }

    pub(super) fn entry_mut(&mut self, slot: u32, id: TaskId) -> Option<&mut Entry> {
        self.at_mut(slot).filter(|entry| entry.id == id)
    }

    pub(super) fn tell(&self, note: Note) {
        self.store.note(note);
    }

    /// Notes how a task stands now, and its attempts and end if they have changed.
    pub(super) fn note(&self, slot: u32, attempts: bool, end: bool) {
        if !S::KEEPS {
            return;
        }
        let Some(entry) = self.at(slot) else { return };
        self.tell(Note::Changed {
            entry: EntryRef { lane: self.number, slot },
            id: entry.id,
            standing: entry.standing,
            attempts: entry.detail().filter(|_| attempts).map(|detail| detail.attempts.clone()),
            end: entry.end().filter(|_| end).cloned(),
        });
    }

    /// Notes a task that is new, as it stands by now.
    pub(super) fn note_added(&self, slot: u32, spec: Option<Arc<TaskSpec>>) {
        if let (Some(spec), Some(entry)) = (spec, self.at(slot)) {
            let entry_ref = EntryRef { lane: self.number, slot };
            self.tell(Note::Added { entry: entry_ref, spec, standing: entry.standing });
        }
    }

    /// Puts a waiting task into its order and sets its timers; gives the first of them.
    pub(super) fn wait(&mut self, slot: u32) -> Option<Timestamp> {
        let standing = self.at(slot)?.standing;
        let due = standing.phase.run_at();
        if due.is_none() {
            self.ready.insert(standing.order, slot);
        }
        Some(self.timers.set(slot, due, standing.expires_at))
    }

    /// Takes a waiting task out of its order and stops its timers.
    pub(super) fn stop_waiting(&mut self, slot: u32) {
        let Some(entry) = self.at(slot) else { return };
        let standing = entry.standing;
        self.ready.remove(&standing.order);
        self.timers.stop(slot, standing.phase.run_at(), standing.expires_at);
    }

    /// Makes a queued task, already out of the order, a running one. The caller notes it.
    pub(super) fn take(&mut self, slot: u32, request: &ClaimRequest) -> Option<Taken> {
        let entry = self.entries.get_mut(slot as usize)?;
        entry.change(Phase::Running);
        self.running.insert(slot, Hold { request: request.id, until: Instant::now() + request.lease });
        self.counts.queued -= 1;
        self.counts.running += 1;
        self.taken(slot)
    }

    fn taken(&self, slot: u32) -> Option<Taken> {
        let entry = self.at(slot)?;
        let token = u64::from(entry.standing.version);
        Some(Taken {
            entry: EntryRef { lane: self.number, slot },
            lease: Lease { task: entry.id, lane: self.key.clone(), token },
            standing: entry.standing,
            found: entry.found(),
        })
    }

    pub(super) fn claim_head(&mut self, request: &ClaimRequest, now: Timestamp, change: &mut Change) -> Option<Taken> {
        if self.paused {
            return None;
        }
        let fresh = |slot: &u32| {
            self.at(*slot).is_some_and(|entry| !request.skip.contains(&entry.id) && entry.standing.expires_at > now)
        };
        // What has expired is left to the round, which tells everybody.
        let slot = self.ready.values().copied().find(fresh)?;
        self.stop_waiting(slot);
        change.waiting -= 1;
        let taken = self.take(slot, request);
        self.note(slot, false, false);
        taken
    }

    /// The claim that an earlier try of the same request made; its lease begins anew.
    pub(super) fn repeated(&mut self, request: &ClaimRequest) -> Option<Taken> {
        if !request.repeat {
            return None;
        }
        let (slot, hold) = self.running.iter_mut().find(|(_, hold)| hold.request == request.id)?;
        hold.until = Instant::now() + request.lease;
        let slot = *slot;
        self.taken(slot)
    }

    pub(super) fn held(&mut self, slot: u32, lease: &Lease) -> Result<&mut Entry, QueueError> {
        self.entry_mut(slot, lease.task)
            .filter(|entry| entry.standing.phase == Phase::Running && u64::from(entry.standing.version) == lease.token)
            .ok_or(QueueError::LeaseLost)
    }

    pub(super) fn hold_until(&mut self, slot: u32, until: Instant) {
        if let Some(hold) = self.running.get_mut(&slot) {
            hold.until = until;
        }
    }

    /// What an earlier settle with the same token did.
    pub(super) fn settled_before(&self, slot: u32, lease: &Lease) -> Option<Settled> {
        let (token, settled) = self.entry(slot, lease.task)?.settled?;
        (u64::from(token) == lease.token).then_some(settled)
    }

    /// Moves a task that ran on to its next phase.
    pub(super) fn leave_running(&mut self, slot: u32, phase: Phase, attempted: bool) -> Change {
        let mut change = Change::default();
        let Some(entry) = self.at_mut(slot) else { return change };
        entry.change(phase);
        let state = phase.state();
        self.running.remove(&slot);
        self.counts.running -= 1;
        *self.counts.of(state) += 1;
        if state.is_ending() {
            self.take_down_owed(slot);
            change.ended = self.ended(slot);
        } else {
            change.waiting = 1;
            change.alarm = self.wait(slot);
        }
        self.note(slot, attempted, state.is_ending());
        change
    }

    pub(super) fn give_back(
        &mut self,
        slot: u32,
        max_interruptions: Option<u32>,
        now: Timestamp,
    ) -> (Released, Change) {
        let Some(entry) = self.at_mut(slot) else { return (Released::Waits, Change::default()) };
        if let Some(limit) = max_interruptions {
            entry.standing.interruptions = entry.standing.interruptions.saturating_add(1);
            let times = entry.standing.interruptions;
            if u32::from(times) > limit || entry.runs_once {
                let ending = interrupted(times);
                let phase = phase_after(&ending, now);
                entry.apply(ending);
                return (Released::Failed, self.leave_running(slot, phase, false));
            }
        }
        (Released::Waits, self.leave_running(slot, Phase::Queued, false))
    }

    pub(super) fn end_waiting(&mut self, slot: u32, ending: Settlement, now: Timestamp) -> Change {
        self.stop_waiting(slot);
        let Some(entry) = self.at_mut(slot) else { return Change::default() };
        let before = entry.standing.state();
        let phase = phase_after(&ending, now);
        entry.apply(ending);
        entry.change(phase);
        *self.counts.of(before) -= 1;
        *self.counts.of(phase.state()) += 1;
        self.take_down_owed(slot);
        self.note(slot, false, true);
        Change { waiting: -1, ended: self.ended(slot), ..Change::default() }
    }

    pub(super) fn promote(&mut self, slot: u32) -> bool {
        let Some(entry) = self.at_mut(slot) else { return false };
        let Phase::Delayed(at) = entry.standing.phase else { return false };
        entry.change(Phase::Queued);
        let standing = entry.standing;
        self.timers.is_not_delayed(slot, at);
        self.ready.insert(standing.order, slot);
        self.counts.delayed -= 1;
        self.counts.queued += 1;
        self.note(slot, false, false);
        true
    }

    pub(super) fn ended(&self, slot: u32) -> Option<Ended> {
        let entry = self.at(slot)?;
        let at = entry.standing.phase.finished_at()?;
        let (task, state) = (entry.id, entry.standing.state());
        let owes_notice = entry.standing.owes_notice;
        Some(Ended { task, slot, state, code: entry.code(), at, bytes: entry.bytes(), owes_notice })
    }
}

fn interrupted(times: u16) -> Settlement {
    Settlement::Fail {
        attempt: None,
        error: format!("The task was interrupted {times} times").into(),
        code: ErrorCode::Interrupted,
        result: None,
    }
}
