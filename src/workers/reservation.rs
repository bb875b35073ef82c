//! Guards of slots: a permit for some slot of a lane, a reservation of one worker's slot.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::row::Row;
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
                return Ok(Reservation { lane, worker, address, rank: tried, open: true, lender: None });
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

/// What has become of a reserved slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotEnd {
    /// The request has ended, and the slot is free.
    Free,
    /// The request was cut off: the worker may still be at it.
    Held,
    /// No byte reached the worker.
    Unreachable,
}

/// One slot of one worker, taken for one task. Dropping it counts as a request that was cut off.
#[derive(Debug)]
pub struct Reservation {
    lane: Arc<LaneSlots>,
    worker: WorkerId,
    address: Arc<WorkerAddress>,
    rank: usize,
    open: bool,
    /// The slot was reserved by another balancer: here it is a busy slot like any that is not ours. Says what becomes of it.
    lender: Option<oneshot::Sender<SlotEnd>>,
}

impl Reservation {
    /// A slot that another balancer has reserved on that worker of the lane, and where it is said what becomes of it.
    pub(super) fn borrowed(
        lane: Arc<LaneSlots>,
        worker: WorkerId,
        address: Arc<WorkerAddress>,
    ) -> (Self, oneshot::Receiver<SlotEnd>) {
        let (lender, end) = oneshot::channel();
        (Self { lane, worker, address, rank: 0, open: true, lender: Some(lender) }, end)
    }

    /// Ends it; `observe` is what the worker is to be thought of.
    fn end(&mut self, end: SlotEnd, observe: impl FnOnce(&mut Row)) -> Option<Permit> {
        self.open = false;
        let lender = self.lender.take();
        let ours = lender.is_none();
        if let Some(lender) = lender {
            // The lender may be gone.
            let _ = lender.send(end);
        }
        self.lane.end(self.worker, ours && end == SlotEnd::Free, |row| {
            match end {
                _ if !ours => {}
                SlotEnd::Held => row.hold(),
                SlotEnd::Free | SlotEnd::Unreachable => row.finish(),
            }
            observe(row);
        })
    }

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
        self.end(SlotEnd::Free, |row| row.observe(verdict, Instant::now()))
    }

    /// The request was cut off: the worker may still be at it, so its slot stays taken until the worker reports.
    pub fn hold(mut self, verdict: Verdict) {
        self.end(SlotEnd::Held, |row| row.observe(verdict, Instant::now()));
    }

    /// No byte reached the worker: the slot is free, and the worker is not trusted until it passes a health check.
    pub fn unreachable(mut self) {
        self.end(SlotEnd::Unreachable, |row| row.suspect = true);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            self.end(SlotEnd::Held, |_| {});
        }
    }
}
