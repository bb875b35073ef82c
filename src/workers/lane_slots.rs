//! The free slots of one lane.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::row::Row;
use super::{Permit, SlotReport, SlotTotals, WorkerAddress, WorkerId, WorkerStanding};
use crate::task::{Candidates, LaneKey, Timestamp};

/// The free slots of one lane: who may run a task now, and who already does.
///
/// All arithmetic of one lane happens under one short lock, so that a permit, a reservation and a report never see half of
/// each other. Nothing here waits.
#[derive(Debug)]
pub struct LaneSlots {
    key: LaneKey,
    pub(super) inner: Mutex<Inner>,
    capacity: Notify,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) rows: Vec<Row>,
    index: HashMap<WorkerId, usize>,
    /// Sum of the rows' free slots.
    free: u64,
    /// Permits out and not yet turned into reservations.
    permits: u64,
    /// Somebody found no permit and wants to hear of the next one.
    wanted: bool,
    ready: usize,
    without_ready_since: Instant,
    functions: Option<Arc<HashSet<String>>>,
}

/// A worker that a task must not go to again until it has passed a health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// The worker's address.
    pub worker: Arc<str>,
    /// When it failed the task.
    pub since: Timestamp,
}

/// How a lane stands, for those who wait in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaneStanding {
    /// Ready, valid workers.
    pub ready: usize,
    /// Since when there has been none, if there is none.
    pub without_ready_since: Option<Instant>,
    /// Free slots that no permit was given out for.
    pub free: u64,
}

impl LaneSlots {
    pub(super) fn new(key: LaneKey) -> Self {
        Self {
            key,
            inner: Mutex::new(Inner {
                rows: Vec::new(),
                index: HashMap::new(),
                free: 0,
                permits: 0,
                wanted: false,
                ready: 0,
                without_ready_since: Instant::now(),
                functions: None,
            }),
            capacity: Notify::new(),
        }
    }

    /// The lane.
    pub fn key(&self) -> &LaneKey {
        &self.key
    }

    // What the registry tells.

    /// Adds a worker to the lane, or changes what is known of it.
    pub fn set_worker(&self, worker: WorkerId, address: &Arc<WorkerAddress>, standing: WorkerStanding) {
        let mut inner = self.inner.lock();
        if !inner.index.contains_key(&worker) {
            let at = inner.rows.len();
            inner.index.insert(worker, at);
            inner.rows.push(Row::new(worker, Arc::clone(address), standing));
            // A row that is counted from the start would be missed by the difference below.
            inner.rows[at].departed = true;
        }
        self.change(&mut inner, worker, |row| {
            row.departed = false;
            row.standing = standing;
        });
    }

    /// Takes a worker out of the lane. What runs there runs on.
    pub fn remove_worker(&self, worker: WorkerId) {
        let mut inner = self.inner.lock();
        self.change(&mut inner, worker, |row| {
            row.departed = true;
            row.held = 0;
        });
        inner.drop_if_done(worker);
    }

    /// Takes in a worker's report.
    pub fn report(&self, worker: WorkerId, report: &SlotReport) {
        let mut inner = self.inner.lock();
        let now = Instant::now();
        self.change(&mut inner, worker, |row| row.report(report, now));
    }

    /// A worker has passed a health check: it is no suspect any more, and open to tasks that it failed before.
    pub fn health_passed(&self, worker: WorkerId, at: Timestamp) {
        let mut inner = self.inner.lock();
        let mut was_shut_out = false;
        self.change(&mut inner, worker, |row| {
            was_shut_out = row.failed_since_passed();
            row.suspect = false;
            row.passed_at = Some(at);
        });
        if was_shut_out {
            // Tasks it had failed may be waiting for just this.
            self.capacity.notify_one();
        }
    }

    /// A connection to the worker failed: nothing goes there until it passes a health check.
    pub fn suspect(&self, worker: WorkerId) {
        let mut inner = self.inner.lock();
        self.change(&mut inner, worker, |row| row.suspect = true);
    }

    /// Says which functions the lane's valid workers offer; `None` while no valid worker is known.
    pub fn set_functions(&self, functions: Option<Arc<HashSet<String>>>) {
        self.inner.lock().functions = functions;
    }

    // What dispatch asks.

    /// Whether the lane's valid workers offer a function; `None` while no valid worker is known.
    pub fn offers(&self, function: &str) -> Option<bool> {
        self.inner.lock().functions.as_ref().map(|functions| functions.contains(function))
    }

    /// Takes a permit, if one of the lane's slots is free and not promised already. If none is, the next one to come up is
    /// announced to [`Self::capacity`].
    pub fn try_permit(self: &Arc<Self>) -> Option<Permit> {
        let mut inner = self.inner.lock();
        if inner.free > inner.permits {
            inner.permits += 1;
            drop(inner);
            return Some(Permit::new(Arc::clone(self)));
        }
        inner.wanted = true;
        None
    }

    /// Waits for a permit to come up after somebody found none. One waiter a lane.
    pub async fn capacity(&self) {
        self.capacity.notified().await;
    }

    /// Writes the eligible workers with a free slot to `candidates`, `excluded` left out.
    pub fn candidates(&self, excluded: Option<&Exclusion>, candidates: &mut Candidates) {
        candidates.clear();
        let now = Instant::now();
        let inner = self.inner.lock();
        for row in inner.rows.iter().filter(|row| row.free() > 0) {
            if excluded.is_none_or(|exclusion| !row.is_excluded(exclusion)) {
                candidates.push(&row.candidate(now));
            }
        }
    }

    /// Whether an eligible worker other than `excluded` exists, busy or not.
    pub fn has_other(&self, excluded: &Exclusion) -> bool {
        self.inner.lock().rows.iter().any(|row| row.is_eligible() && !row.is_excluded(excluded))
    }

    /// How the lane stands.
    pub fn standing(&self) -> LaneStanding {
        let inner = self.inner.lock();
        LaneStanding {
            ready: inner.ready,
            without_ready_since: (inner.ready == 0).then_some(inner.without_ready_since),
            free: inner.free.saturating_sub(inner.permits),
        }
    }

    pub(super) fn add_to(&self, totals: &mut SlotTotals) {
        for row in self.inner.lock().rows.iter().filter(|row| row.is_eligible()) {
            totals.limit += u64::from(row.limit);
            totals.used += u64::from(row.busy().min(row.limit));
            totals.free += u64::from(row.free());
        }
    }

    /// Whether the lane has no workers, ready or not, and no permit of it is out.
    pub fn is_vacant(&self) -> bool {
        let inner = self.inner.lock();
        inner.rows.is_empty() && inner.permits == 0
    }

    // What permits and reservations do.

    pub(super) fn return_permit(&self) {
        let mut inner = self.inner.lock();
        inner.permits -= 1;
        self.announce(&mut inner);
    }

    pub(super) fn reserve(&self, worker: WorkerId) -> Option<Arc<WorkerAddress>> {
        let mut inner = self.inner.lock();
        let row = inner.row(worker)?;
        if row.free() == 0 {
            return None;
        }
        let address = Arc::clone(&row.address);
        // Free and permits go down together, so nothing comes up here.
        inner.permits -= 1;
        self.change(&mut inner, worker, Row::reserve);
        Some(address)
    }

    /// Ends a reservation; a slot that is free afterwards becomes a permit at once if `keep` says so.
    pub(super) fn end(self: &Arc<Self>, worker: WorkerId, keep: bool, end: impl FnOnce(&mut Row)) -> Option<Permit> {
        let mut inner = self.inner.lock();
        let before = inner.row(worker).map(Row::free)?;
        let kept = inner.apply(worker, end).is_some_and(|after| after > before) && keep && inner.free > inner.permits;
        if kept {
            inner.permits += 1;
        }
        self.announce(&mut inner);
        inner.drop_if_done(worker);
        drop(inner);
        kept.then(|| Permit::new(Arc::clone(self)))
    }

    fn change(&self, inner: &mut Inner, worker: WorkerId, change: impl FnOnce(&mut Row)) {
        if inner.apply(worker, change).is_some() {
            self.announce(inner);
        }
    }

    fn announce(&self, inner: &mut Inner) {
        if inner.wanted && inner.free > inner.permits {
            inner.wanted = false;
            self.capacity.notify_one();
        }
    }
}

impl Inner {
    pub(super) fn row(&self, worker: WorkerId) -> Option<&Row> {
        self.index.get(&worker).map(|at| &self.rows[*at])
    }

    /// Changes a row and keeps the sums; gives the row's free slots afterwards.
    fn apply(&mut self, worker: WorkerId, change: impl FnOnce(&mut Row)) -> Option<u32> {
        let row = &mut self.rows[*self.index.get(&worker)?];
        let (free, ready) = (row.free(), row.is_ready());
        change(row);
        let (free_now, ready_now) = (row.free(), row.is_ready());
        self.free = self.free - u64::from(free) + u64::from(free_now);
        match (ready, ready_now) {
            (false, true) => self.ready += 1,
            (true, false) => {
                self.ready -= 1;
                self.without_ready_since = Instant::now();
            }
            _ => {}
        }
        Some(free_now)
    }

    /// Removes the row of a worker that has left, once our last request to it has ended.
    fn drop_if_done(&mut self, worker: WorkerId) {
        let Some(&at) = self.index.get(&worker) else { return };
        if self.rows[at].departed && self.rows[at].own == 0 {
            self.index.remove(&worker);
            self.rows.swap_remove(at);
            if let Some(moved) = self.rows.get(at) {
                self.index.insert(moved.worker, at);
            }
        }
    }
}

impl Row {
    fn is_excluded(&self, exclusion: &Exclusion) -> bool {
        *self.address.url() == exclusion.worker && self.passed_at.is_none_or(|passed| passed <= exclusion.since)
    }

    fn failed_since_passed(&self) -> bool {
        self.suspect || self.failed_at.is_some_and(|failed| self.passed_at.is_none_or(|passed| passed <= failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Contract;
    use crate::workers::{Reservation, Verdict};

    const READY: WorkerStanding = WorkerStanding { ready: true, eligible: true, weight: 1.0 };

    fn lane(limits: &[u32]) -> Arc<LaneSlots> {
        let lane = Arc::new(LaneSlots::new(LaneKey::new("g", Contract::new(1.0).unwrap())));
        for (n, limit) in (0..).zip(limits) {
            join(&lane, n, *limit);
        }
        lane
    }

    fn join(lane: &LaneSlots, worker: u32, limit: u32) {
        let address = Arc::new(WorkerAddress::parse(&format!("http://w{worker}")).unwrap());
        lane.set_worker(WorkerId(worker), &address, READY);
        lane.report(WorkerId(worker), &SlotReport { limit, ..SlotReport::default() });
    }

    fn candidates(lane: &LaneSlots, excluded: Option<&Exclusion>) -> Vec<u32> {
        let mut candidates = Candidates::default();
        lane.candidates(excluded, &mut candidates);
        candidates.worker
    }

    fn reserve(lane: &Arc<LaneSlots>, workers: &[u32]) -> Result<Reservation, Permit> {
        lane.try_permit().unwrap().reserve(workers.iter().map(|worker| WorkerId(*worker)))
    }

    async fn is_announced(lane: &LaneSlots) -> bool {
        futures_util::poll!(std::pin::pin!(lane.capacity())).is_ready()
    }

    #[test]
    fn no_more_permits_than_free_slots() {
        let lane = lane(&[2, 1]);
        let permits: Vec<_> = std::iter::from_fn(|| lane.try_permit()).collect();
        assert_eq!(permits.len(), 3);
        drop(permits);
        assert_eq!(lane.standing().free, 3);
    }

    #[test]
    fn a_reservation_takes_the_first_worker_that_has_room() {
        let lane = lane(&[1, 1]);
        let first = reserve(&lane, &[0, 1]).unwrap();
        let second = reserve(&lane, &[0, 1]).unwrap();
        assert_eq!((first.worker(), first.rank()), (WorkerId(0), 0));
        assert_eq!((second.worker(), second.rank()), (WorkerId(1), 1));
        assert!(lane.try_permit().is_none());
    }

    #[test]
    fn a_permit_without_room_among_the_workers_named_comes_back() {
        let lane = lane(&[1, 1]);
        let _taken = reserve(&lane, &[0]).unwrap();
        let permit = reserve(&lane, &[0, 99]).unwrap_err();
        assert_eq!(lane.standing().free, 0, "it is still promised");
        drop(permit);
        assert_eq!(lane.standing().free, 1);
    }

    #[test]
    fn a_freed_slot_becomes_a_permit_only_on_a_worker_that_may_go_on() {
        let lane = lane(&[1]);
        let first = reserve(&lane, &[0]).unwrap();
        let permit = first.finish(Verdict::Neutral).expect("the worker is fine");
        let second = permit.reserve([WorkerId(0)]).unwrap();
        let address = Arc::clone(second.address());
        lane.set_worker(WorkerId(0), &address, WorkerStanding { eligible: false, ..READY });
        assert!(second.finish(Verdict::Neutral).is_none());
        assert!(lane.try_permit().is_none());
    }

    #[tokio::test]
    async fn whoever_found_no_permit_hears_of_the_next_one() {
        let lane = lane(&[1]);
        let permit = lane.try_permit().unwrap();
        assert!(lane.try_permit().is_none());
        assert!(!is_announced(&lane).await);
        drop(permit);
        assert!(is_announced(&lane).await, "a permit came back unused");
        let reservation = reserve(&lane, &[0]).unwrap();
        assert!(lane.try_permit().is_none());
        lane.report(WorkerId(0), &SlotReport { limit: 2, used: 1, ..SlotReport::default() });
        assert!(is_announced(&lane).await, "the worker has grown");
        drop(reservation);
        let _both = (lane.try_permit().unwrap(), lane.try_permit());
        assert!(lane.try_permit().is_none());
        join(&lane, 7, 1);
        assert!(is_announced(&lane).await, "another worker has come");
    }

    #[tokio::test]
    async fn a_worker_that_failed_a_task_is_open_to_it_again_after_a_health_check() {
        let lane = lane(&[1, 1]);
        let failed = Timestamp::from_millis(1_000);
        let exclusion = Exclusion { worker: "http://w0".into(), since: failed };
        reserve(&lane, &[0]).unwrap().finish(Verdict::Bad(failed));
        assert_eq!(candidates(&lane, Some(&exclusion)), [1]);
        assert_eq!(candidates(&lane, None), [0, 1]);
        lane.health_passed(WorkerId(0), Timestamp::from_millis(1_000));
        assert_eq!(candidates(&lane, Some(&exclusion)), [1], "a check from before says nothing");
        lane.health_passed(WorkerId(0), Timestamp::from_millis(1_001));
        assert_eq!(candidates(&lane, Some(&exclusion)), [0, 1]);
        assert!(is_announced(&lane).await, "a task may be waiting for just this");
    }

    #[test]
    fn a_worker_that_cannot_be_reached_gets_nothing_until_it_passes_a_health_check() {
        let lane = lane(&[2]);
        reserve(&lane, &[0]).unwrap().unreachable();
        assert!(lane.try_permit().is_none());
        assert_eq!(lane.standing().ready, 0);
        assert!(lane.standing().without_ready_since.is_some());
        lane.health_passed(WorkerId(0), Timestamp::from_millis(5));
        assert_eq!(lane.standing().free, 2, "no slot was lost on the way");
    }

    #[test]
    fn a_worker_that_leaves_and_returns_keeps_count_of_what_runs_there() {
        let lane = lane(&[2]);
        let running = reserve(&lane, &[0]).unwrap();
        lane.remove_worker(WorkerId(0));
        assert!(lane.try_permit().is_none());
        join(&lane, 0, 2);
        assert_eq!(lane.standing().free, 1);
        assert!(running.finish(Verdict::Neutral).is_some());
        assert_eq!(lane.standing().free, 2);
        lane.remove_worker(WorkerId(0));
        assert!(lane.is_vacant());
    }

    #[test]
    fn a_reservation_dropped_half_way_holds_its_slot_until_the_next_report() {
        let lane = lane(&[1]);
        drop(reserve(&lane, &[0]).unwrap());
        assert!(lane.try_permit().is_none());
        lane.report(WorkerId(0), &SlotReport { limit: 1, ..SlotReport::default() });
        assert!(lane.try_permit().is_some());
    }
}
