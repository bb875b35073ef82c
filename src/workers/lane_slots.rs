//! The free slots of one lane.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::row::Row;
use super::{
    Drawn, Permit, Reservation, Shown, SlotEnd, SlotReport, SlotTotals, WorkerAddress, WorkerId, WorkerStanding,
};
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
    index: HashMap<WorkerId, usize, RandomState>,
    /// Which rows have a free slot, in no order.
    open: Vec<usize>,
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
                index: HashMap::default(),
                open: Vec::new(),
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

    /// A slot on the worker of that address which another balancer has reserved, and where it is said what becomes of it. It changes
    /// nothing in the reckoning here. `None` if there is no such worker in the lane.
    pub fn borrow(self: &Arc<Self>, url: &str) -> Option<(Reservation, oneshot::Receiver<SlotEnd>)> {
        let (worker, address) = {
            let inner = self.inner.lock();
            let row = inner.rows.iter().find(|row| !row.departed && **row.address.url() == *url)?;
            (row.worker, Arc::clone(&row.address))
        };
        Some(Reservation::borrowed(Arc::clone(self), worker, address))
    }

    /// Waits for a permit to come up after somebody found none. One waiter a lane.
    pub async fn capacity(&self) {
        self.capacity.notified().await;
    }

    /// Writes the eligible workers with a free slot to `candidates`, `excluded` left out; of many, as `drawn` says.
    pub fn candidates(&self, excluded: Option<&Exclusion>, drawn: Option<Drawn>, candidates: &mut Candidates) -> Shown {
        candidates.clear();
        let now = Instant::now();
        let inner = self.inner.lock();
        if let (None, Some(drawn)) = (excluded, drawn) {
            for at in drawn.from(inner.open.len()) {
                candidates.push(&inner.rows[inner.open[at]].candidate(now));
            }
            return Shown { with_room: inner.open.len(), left_out: false };
        }
        let mut left_out = false;
        for row in &inner.rows {
            if excluded.is_some_and(|exclusion| row.is_excluded(exclusion)) {
                left_out = true;
            } else if row.free() > 0 {
                candidates.push(&row.candidate(now));
            }
        }
        Shown { with_room: candidates.len(), left_out }
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
        let at = *self.index.get(&worker)?;
        let row = &mut self.rows[at];
        let (free, ready) = (row.free(), row.is_ready());
        change(row);
        let (free_now, ready_now) = (row.free(), row.is_ready());
        self.free = self.free - u64::from(free) + u64::from(free_now);
        match (free > 0, free_now > 0) {
            (false, true) => {
                self.rows[at].open_at = self.open.len();
                self.open.push(at);
            }
            (true, false) => {
                let place = self.rows[at].open_at;
                self.open.swap_remove(place);
                if let Some(moved) = self.open.get(place) {
                    self.rows[*moved].open_at = place;
                }
            }
            _ => {}
        }
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
                if moved.free() > 0 {
                    self.open[moved.open_at] = at;
                }
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
