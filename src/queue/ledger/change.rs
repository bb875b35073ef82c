//! Every way in which the books change.

use std::sync::Arc;
use std::time::Duration;

use super::Ledger;
use super::detail::Detail;
use super::lane::Taken;
use super::store::{EntryRef, Store};
use crate::queue::{
    Cancelled, ClaimRequest, Enqueued, Lease, NewTask, QueueError, QueueEvent, Released, Requeued, Settled, Settlement,
};
use crate::task::{LaneKey, Priority, TaskId, TaskSpec, Timestamp};

impl<S: Store> Ledger<S> {
    /// Adds a task, and claims the head of its lane if asked to.
    pub(in crate::queue) fn add(
        &self,
        task: NewTask,
        request: Option<&ClaimRequest>,
    ) -> Result<(Enqueued, Option<Taken>), QueueError> {
        let lane = self.lanes.get_or_make(&task.spec.lane);
        let id = task.spec.id;
        // Nobody else can add the task, or take its key, until it is in its lane: whoever is told of a duplicate finds it there.
        let added = self.index.insert(id, || {
            let mut place = match task.spec.idempotency.as_ref().map(|idempotency| self.keys.place(&idempotency.key)) {
                None => None,
                Some(Ok(place)) => Some(place),
                Some(Err(holder)) => return (None, Ok((Enqueued::Duplicate(holder), None))),
            };
            // A task that runs at once makes no queue longer: a flood elsewhere is no reason to refuse it.
            let runs_at_once = request.is_some() && task.run_at.is_none() && lane.is_idle();
            if !runs_at_once && let Err(full) = self.admit() {
                return (None, Err(full));
            }
            if let (Some(place), Some(idempotency)) = (&mut place, &task.spec.idempotency) {
                place.insert(idempotency.key.clone(), id);
            }
            let (slot, taken, change) = lane.add(task, request, self.clock.now());
            (Some(EntryRef { lane: lane.number(), slot }), Ok((Enqueued::New, Some((taken, change)))))
        });
        match added {
            Some(Ok((Enqueued::New, Some((taken, change))))) => {
                self.follow(lane.number(), &change);
                Ok((Enqueued::New, taken))
            }
            Some(refused) => refused.map(|(enqueued, _)| (enqueued, None)),
            None => Ok((Enqueued::Known, request.and_then(|request| self.claim(lane.key(), request)))),
        }
    }

    /// Claims the head of a lane.
    pub(in crate::queue) fn claim(&self, lane: &LaneKey, request: &ClaimRequest) -> Option<Taken> {
        let lane = self.lanes.get(lane)?;
        let (taken, change) = lane.claim(request, self.clock.now());
        self.follow(lane.number(), &change);
        taken
    }

    /// Claims one task.
    pub(in crate::queue) fn claim_task(&self, id: TaskId, request: &ClaimRequest) -> Option<Taken> {
        let entry = self.index.get(id)?;
        let (taken, change) = self.lanes.of(entry)?.claim_task(entry.slot, id, request);
        self.follow(entry.lane, &change);
        taken
    }

    /// Has the detail of a task that was claimed, as the store gave it; gives the task as it is to be run. `None` if the lease is lost.
    pub(in crate::queue) fn warm(&self, entry: EntryRef, lease: &Lease, detail: Detail) -> Option<Arc<TaskSpec>> {
        self.lanes.of(entry)?.warm(entry.slot, lease, detail)
    }

    pub(in crate::queue) fn renew(&self, lease: &Lease, duration: Duration) -> Result<(), QueueError> {
        let entry = self.index.get(lease.task).ok_or(QueueError::LeaseLost)?;
        let renewed = self.lanes.of(entry).is_some_and(|lane| lane.renew(entry.slot, lease, duration));
        if renewed { Ok(()) } else { Err(QueueError::LeaseLost) }
    }

    pub(in crate::queue) fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        let entry = self.index.get(lease.task).ok_or(QueueError::LeaseLost)?;
        let lane = self.lanes.of(entry).ok_or(QueueError::LeaseLost)?;
        let (settled, change) = lane.settle(entry.slot, lease, settlement, self.clock.now())?;
        self.follow(entry.lane, &change);
        Ok(settled)
    }

    pub(in crate::queue) fn release(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        let entry = self.index.get(lease.task).ok_or(QueueError::LeaseLost)?;
        let lane = self.lanes.of(entry).ok_or(QueueError::LeaseLost)?;
        let limit = self.limits.max_interruptions;
        let (released, change) = lane.release(entry.slot, lease, interrupted.then_some(limit), self.clock.now())?;
        self.follow(entry.lane, &change);
        Ok(released)
    }

    pub(in crate::queue) fn cancel(&self, id: TaskId, ending: Settlement) -> Cancelled {
        let Some(entry) = self.index.get(id) else { return Cancelled::Unknown };
        let Some(lane) = self.lanes.of(entry) else { return Cancelled::Unknown };
        let (cancelled, change) = lane.cancel(entry.slot, id, ending, self.clock.now());
        self.follow(entry.lane, &change);
        cancelled
    }

    pub(in crate::queue) fn promote(&self, id: TaskId) -> bool {
        let Some(entry) = self.index.get(id) else { return false };
        let Some(lane) = self.lanes.of(entry).filter(|lane| lane.promote(entry.slot, id)) else { return false };
        self.tell(QueueEvent::Claimable(lane.key().clone()));
        true
    }

    pub(in crate::queue) fn requeue(&self, id: TaskId, expires_at: Timestamp) -> Result<Requeued, QueueError> {
        let Some(entry) = self.index.get(id) else { return Ok(Requeued::Unknown) };
        let Some(lane) = self.lanes.of(entry) else { return Ok(Requeued::Unknown) };
        let ended = lane.standing(entry.slot, id).is_some_and(|standing| standing.state().is_ending());
        if ended {
            self.admit()?;
        }
        let (requeued, change) = lane.requeue(entry.slot, id, expires_at);
        self.follow(entry.lane, &change);
        if requeued == Requeued::Done {
            self.tell(QueueEvent::Claimable(lane.key().clone()));
        }
        Ok(requeued)
    }

    pub(in crate::queue) fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> bool {
        let Some(entry) = self.index.get(id) else { return false };
        self.lanes.of(entry).is_some_and(|lane| lane.reprioritize(entry.slot, id, priority))
    }

    pub(in crate::queue) fn set_paused(&self, lane: &LaneKey, paused: bool) {
        self.lanes.get_or_make(lane).set_paused(paused);
        if !paused {
            self.tell(QueueEvent::Claimable(lane.clone()));
        }
    }

    /// Forgets an ended task on request. `false` if it does not end at that moment.
    pub(in crate::queue) fn purge_one(&self, id: TaskId, ended_at: Timestamp) -> bool {
        let Some(entry) = self.index.get(id) else { return false };
        let forgotten = self.forget(entry, id, ended_at, true);
        if forgotten {
            self.history.remove(id, ended_at);
        }
        forgotten
    }
}
