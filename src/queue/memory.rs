//! The queue in this process's memory: nothing outlives it.
//!
//! Every lane has its own lock, held for short steps without I/O; what crosses lanes (the index by id, the history) is sharded or
//! touched only at a task's beginning and end.

mod alarm;
mod entry;
mod history;
mod index;
mod keys;
mod lane;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::RwLock;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use self::alarm::Alarm;
use self::history::History;
use self::index::Index;
use self::keys::Keys;
use self::lane::{Change, Lane};
use super::{
    Cancelled, Claim, ClaimRequest, Ending, Enqueued, LaneCounts, Lease, NewTask, QueueError, QueueEvent, QueueLimits,
    Released, Requeued, Settled, Settlement, StateCounts, TaskFilter, TaskPage, TaskQueue,
};
use crate::task::{Clock, LaneKey, Priority, TaskId, TaskRecord, Timestamp};

/// Events kept for a receiver that is behind.
const EVENT_BUFFER: usize = 4_096;
/// The least time between two rounds over the lanes.
const ROUND_PAUSE: Duration = Duration::from_millis(5);
/// The most time between two rounds: leases and the age of ended tasks are looked at this often.
const ROUND_INTERVAL: Duration = Duration::from_secs(1);

/// The queue in this process's memory.
#[derive(Debug)]
pub struct MemoryQueue {
    limits: QueueLimits,
    clock: Clock,
    lanes: RwLock<HashMap<LaneKey, Arc<Lane>>>,
    index: Index,
    keys: Keys,
    history: History,
    /// Tasks that wait, in all lanes.
    waiting: AtomicU64,
    alarm: Alarm,
    events: broadcast::Sender<QueueEvent>,
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new(limits: QueueLimits, clock: Clock) -> Self {
        Self {
            limits,
            clock,
            lanes: RwLock::default(),
            index: Index::default(),
            keys: Keys::default(),
            history: History::default(),
            waiting: AtomicU64::new(0),
            alarm: Alarm::default(),
            events: broadcast::Sender::new(EVENT_BUFFER),
        }
    }

    fn lane(&self, key: &LaneKey) -> Arc<Lane> {
        if let Some(lane) = self.lanes.read().get(key) {
            return Arc::clone(lane);
        }
        let mut lanes = self.lanes.write();
        Arc::clone(lanes.entry(key.clone()).or_insert_with(|| Arc::new(Lane::new(key.clone()))))
    }

    fn all_lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.read().values().map(Arc::clone).collect()
    }

    /// Takes in what a step of a lane changed beyond the lane.
    fn follow(&self, lane: &Arc<Lane>, change: &Change) {
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
            self.history.add(lane, ended);
            self.evict();
        }
    }

    /// Forgets ended tasks beyond the limits of retention.
    fn evict(&self) {
        let now = self.clock.now();
        while let Some((lane, id, ended_at)) = self.history.pop_excess(&self.limits, now) {
            self.forget(&lane, id, ended_at);
        }
    }

    /// Forgets a task that has ended, and with it its idempotency key. `false` if there is none.
    fn forget(&self, lane: &Lane, id: TaskId, ended_at: Timestamp) -> bool {
        let Some(spec) = lane.forget(id, ended_at) else { return false };
        self.index.remove(id);
        if let Some(idempotency) = &spec.idempotency {
            self.keys.remove(&idempotency.key, id);
        }
        true
    }

    fn admit(&self) -> Result<(), QueueError> {
        if self.waiting.load(Ordering::Relaxed) >= self.limits.max_waiting {
            return Err(QueueError::Full { limit: self.limits.max_waiting });
        }
        Ok(())
    }

    fn add(&self, task: NewTask, request: Option<&ClaimRequest>) -> Result<(Enqueued, Option<Claim>), QueueError> {
        let lane = self.lane(&task.spec.lane);
        let id = task.spec.id;
        if !self.index.insert(id, &lane) {
            let claim = request.and_then(|request| self.take(&lane, request));
            return Ok((Enqueued::Known, claim));
        }
        // Held until the task is in its lane: whoever is told of a duplicate finds it there.
        let mut place = match task.spec.idempotency.as_ref().map(|idempotency| self.keys.place(&idempotency.key)) {
            None => None,
            Some(Ok(place)) => Some(place),
            Some(Err(holder)) => {
                self.index.remove(id);
                return Ok((Enqueued::Duplicate(holder), None));
            }
        };
        // A task that runs at once makes no queue longer: a flood elsewhere is no reason to refuse it.
        let runs_at_once = request.is_some() && task.run_at.is_none() && lane.is_idle();
        if !runs_at_once && let Err(full) = self.admit() {
            self.index.remove(id);
            return Err(full);
        }
        if let (Some(place), Some(idempotency)) = (&mut place, &task.spec.idempotency) {
            place.insert(idempotency.key.clone(), id);
        }
        let (claim, change) = lane.add(task, request, self.clock.now());
        drop(place);
        self.follow(&lane, &change);
        Ok((Enqueued::New, claim))
    }

    fn take(&self, lane: &Arc<Lane>, request: &ClaimRequest) -> Option<Claim> {
        let (claim, change) = lane.claim(request, self.clock.now());
        self.follow(lane, &change);
        claim
    }

    fn end(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        let lane = self.index.get(lease.task).ok_or(QueueError::LeaseLost)?;
        let (settled, change) = lane.settle(lease, settlement, self.clock.now())?;
        self.follow(&lane, &change);
        Ok(settled)
    }

    fn give_back(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        let lane = self.index.get(lease.task).ok_or(QueueError::LeaseLost)?;
        let limit = self.limits.max_interruptions;
        let (released, change) = lane.release(lease, interrupted.then_some(limit), self.clock.now())?;
        self.follow(&lane, &change);
        Ok(released)
    }

    /// One round over the lanes: what fell due, what ran out.
    fn round(&self) {
        let now = self.clock.now();
        for lane in self.all_lanes() {
            let round = lane.round(now, self.limits.max_interruptions);
            for change in &round.changes {
                self.follow(&lane, change);
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
        }
        self.evict();
    }

    fn tell(&self, event: QueueEvent) {
        // Nobody listening is no fault.
        let _ = self.events.send(event);
    }
}

#[async_trait]
impl TaskQueue for MemoryQueue {
    async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        self.add(task, None).map(|(enqueued, _)| enqueued)
    }

    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Vec<Result<Enqueued, QueueError>> {
        tasks.into_iter().map(|task| self.add(task, None).map(|(enqueued, _)| enqueued)).collect()
    }

    async fn enqueue_and_claim(
        &self,
        task: NewTask,
        request: ClaimRequest,
    ) -> Result<(Enqueued, Option<Claim>), QueueError> {
        self.add(task, Some(&request))
    }

    async fn claim(&self, lane: &LaneKey, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        let Some(lane) = self.lanes.read().get(lane).map(Arc::clone) else { return Ok(None) };
        Ok(self.take(&lane, &request))
    }

    async fn claim_task(&self, id: TaskId, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        let Some(lane) = self.index.get(id) else { return Ok(None) };
        let (claim, change) = lane.claim_task(id, &request);
        self.follow(&lane, &change);
        Ok(claim)
    }

    async fn renew(&self, leases: &[Lease], duration: Duration) -> Vec<Result<(), QueueError>> {
        let renew = |lease: &Lease| self.index.get(lease.task).is_some_and(|lane| lane.renew(lease, duration));
        leases.iter().map(|lease| if renew(lease) { Ok(()) } else { Err(QueueError::LeaseLost) }).collect()
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        self.end(lease, settlement)
    }

    async fn settle_many(&self, settlements: Vec<(Lease, Settlement)>) -> Vec<Result<Settled, QueueError>> {
        settlements.into_iter().map(|(lease, settlement)| self.end(&lease, settlement)).collect()
    }

    async fn settle_and_claim(
        &self,
        lease: &Lease,
        settlement: Settlement,
        request: ClaimRequest,
    ) -> (Result<Settled, QueueError>, Result<Option<Claim>, QueueError>) {
        let settled = self.end(lease, settlement);
        (settled, Ok(self.take(&self.lane(&lease.lane), &request)))
    }

    async fn release(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        self.give_back(lease, interrupted)
    }

    async fn release_many(&self, leases: Vec<Lease>, interrupted: bool) -> Vec<Result<Released, QueueError>> {
        leases.iter().map(|lease| self.give_back(lease, interrupted)).collect()
    }

    async fn cancel(&self, id: TaskId, ending: Settlement) -> Result<Cancelled, QueueError> {
        let Some(lane) = self.index.get(id) else { return Ok(Cancelled::Unknown) };
        let (cancelled, change) = lane.cancel(id, ending, self.clock.now());
        self.follow(&lane, &change);
        Ok(cancelled)
    }

    async fn promote(&self, id: TaskId) -> Result<bool, QueueError> {
        let Some(lane) = self.index.get(id).filter(|lane| lane.promote(id)) else { return Ok(false) };
        self.tell(QueueEvent::Claimable(lane.key().clone()));
        Ok(true)
    }

    async fn requeue(&self, id: TaskId, expires_at: Timestamp) -> Result<Requeued, QueueError> {
        let Some(lane) = self.index.get(id) else { return Ok(Requeued::Unknown) };
        self.admit()?;
        let (requeued, change) = lane.requeue(id, expires_at);
        self.follow(&lane, &change);
        if requeued == Requeued::Done {
            self.tell(QueueEvent::Claimable(lane.key().clone()));
        }
        Ok(requeued)
    }

    async fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> Result<bool, QueueError> {
        Ok(self.index.get(id).is_some_and(|lane| lane.reprioritize(id, priority)))
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, QueueError> {
        Ok(self.index.get(id).and_then(|lane| lane.record(id)))
    }

    async fn position(&self, id: TaskId) -> Result<Option<u64>, QueueError> {
        Ok(self.index.get(id).and_then(|lane| lane.position(id)))
    }

    async fn list(&self, filter: &TaskFilter) -> Result<TaskPage, QueueError> {
        let mut page = TaskPage::default();
        let mut before = filter.before;
        // Ids are read in portions, so that no lock is held while records are compared.
        loop {
            let portion = self.index.newest_before(before, 1_000);
            let Some(&(oldest, _)) = portion.last() else { return Ok(page) };
            for (id, lane) in portion {
                let Some(record) = lane.record(id).filter(|record| filter.matches(record)) else { continue };
                if page.tasks.len() == filter.limit {
                    page.next = page.tasks.last().map(|task| task.spec.id);
                    return Ok(page);
                }
                page.tasks.push(record);
            }
            before = Some(oldest);
            tokio::task::yield_now().await;
        }
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>, QueueError> {
        Ok(self.all_lanes().iter().map(|lane| lane.counts()).collect())
    }

    async fn lane_counts(&self, lane: &LaneKey) -> Result<LaneCounts, QueueError> {
        let known = self.lanes.read().get(lane).map(Arc::clone);
        let unknown = || LaneCounts { lane: lane.clone(), counts: StateCounts::default(), paused: false };
        Ok(known.map_or_else(unknown, |lane| lane.counts()))
    }

    async fn set_paused(&self, lane: &LaneKey, paused: bool) -> Result<(), QueueError> {
        self.lane(lane).set_paused(paused);
        if !paused {
            self.tell(QueueEvent::Claimable(lane.clone()));
        }
        Ok(())
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64, QueueError> {
        let mut filter = filter.clone();
        filter.limit = 1_000;
        let mut purged = 0;
        loop {
            let page = self.list(&filter).await?;
            let ended = page.tasks.iter().filter_map(|record| Some((record.spec.id, record.finished_at?)));
            for (id, ended_at) in ended {
                if self.index.get(id).is_some_and(|lane| self.forget(&lane, id, ended_at)) {
                    self.history.remove(id, ended_at);
                    purged += 1;
                }
            }
            match page.next {
                Some(next) => filter.before = Some(next),
                None => return Ok(purged),
            }
        }
    }

    async fn ping(&self) -> Result<(), QueueError> {
        Ok(())
    }

    fn events(&self) -> broadcast::Receiver<QueueEvent> {
        self.events.subscribe()
    }

    async fn run(&self, cancel: CancellationToken) {
        loop {
            let wait = self.alarm.next().map_or(ROUND_INTERVAL, |at| at.since(self.clock.now()).min(ROUND_INTERVAL));
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                () = self.alarm.moved_up() => continue,
                () = tokio::time::sleep(wait.max(ROUND_PAUSE)) => {}
            }
            self.alarm.clear();
            self.round();
        }
    }
}
