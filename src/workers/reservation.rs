//! Guards of slots: a permit for some slot of a lane, a reservation of one worker's slot.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{LaneSlots, WorkerAddress, WorkerId};
use crate::task::Timestamp;

/// The right to one free slot of a lane, whichever worker's. Dropping it gives the slot back.
#[derive(Debug)]
pub struct Permit {
    /// `None` once the slot has become a reservation.
    lane: Option<Arc<LaneSlots>>,
}

/// How an attempt went, for the worker's own figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The worker answered, with whatever a client can be blamed for.
    Good(Duration),
    /// The worker failed the task at that moment: it is left out of the retry until it passes a health check.
    Bad(Timestamp),
    /// The attempt says nothing about the worker.
    Neutral,
}

impl Permit {
    pub(super) fn new(lane: Arc<LaneSlots>) -> Self {
        Self { lane: Some(lane) }
    }

    /// Turns the permit into a reservation on the first of `workers` that still has room. If none has, the permit comes back.
    pub fn reserve(mut self, workers: impl IntoIterator<Item = WorkerId>) -> Result<Reservation, Self> {
        let Some(lane) = self.lane.take() else { return Err(self) };
        for (tried, worker) in workers.into_iter().enumerate() {
            if let Some(address) = lane.reserve(worker) {
                return Ok(Reservation { lane, worker, address, rank: tried, open: true });
            }
        }
        self.lane = Some(lane);
        Err(self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            lane.return_permit();
        }
    }
}

/// One slot of one worker, taken for one task. Dropping it counts as a request that was cut off.
#[derive(Debug)]
pub struct Reservation {
    lane: Arc<LaneSlots>,
    worker: WorkerId,
    address: Arc<WorkerAddress>,
    rank: usize,
    open: bool,
}

impl Reservation {
    /// The worker.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Where it is.
    pub fn address(&self) -> &Arc<WorkerAddress> {
        &self.address
    }

    /// How many better ranked workers had no room any more.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The request has ended: its slot is free. It comes back as a permit if the worker is still eligible and has room.
    pub fn finish(mut self, verdict: Verdict) -> Option<Permit> {
        self.open = false;
        let now = Instant::now();
        self.lane.end(self.worker, true, |row| {
            row.finish();
            row.observe(verdict, now);
        })
    }

    /// The request was cut off: the worker may still be at it, so its slot stays taken until the worker reports.
    pub fn hold(mut self, verdict: Verdict) {
        self.open = false;
        let now = Instant::now();
        self.lane.end(self.worker, false, |row| {
            row.hold();
            row.observe(verdict, now);
        });
    }

    /// No byte reached the worker: the slot is free, and the worker is not trusted until it passes a health check.
    pub fn unreachable(mut self) {
        self.open = false;
        self.lane.end(self.worker, false, |row| {
            row.finish();
            row.suspect = true;
        });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            self.lane.end(self.worker, false, super::row::Row::hold);
        }
    }
}
