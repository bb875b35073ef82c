//! The workers: which there are, how they are, and which of their slots are free.
//!
//! Two halves. The *registry* follows `workers.json`, probes `/health`, keeps a WebSocket to each worker and decides who is
//! eligible. The *slots* half keeps the arithmetic of free slots, one [`LaneSlots`] a lane: the registry feeds it, dispatch takes
//! [`Permit`]s and [`Reservation`]s from it.

mod address;
mod lane_slots;
mod reservation;
mod row;
mod slots;

pub use address::{InvalidAddress, WorkerAddress};
pub use lane_slots::{Exclusion, LaneSlots, LaneStanding};
pub use reservation::{Permit, Reservation, Verdict};
pub use row::{SlotReport, WorkerStanding};
pub use slots::{SlotTotals, Slots};

/// Looks after workers that failed.
pub trait WorkerProbe: Send + Sync + 'static {
    /// Has the worker's health checked soon. Repeated calls are one.
    fn probe_now(&self, worker: WorkerId);
}

/// The number of a worker within this balancer, the same for its address as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u32);
