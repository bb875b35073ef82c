//! The workers: which there are, how they are, and which of their slots are free.
//!
//! Two halves. The *registry* follows `workers.json`, probes `/health`, keeps a WebSocket to each worker and decides who is
//! eligible. The *slots* half keeps the arithmetic of free slots, one [`LaneSlots`] a lane: the registry feeds it, dispatch takes
//! [`Permit`]s and [`Reservation`]s from it.

mod address;
mod ballots;
mod contract;
mod discovery;
mod drawn;
mod figures;
mod file;
mod health;
mod heartbeat;
mod lane_slots;
mod logs;
mod member;
mod overview;
mod registry;
mod reservation;
mod row;
mod slots;
mod state;
mod transport;
mod watch;
mod worker;

#[cfg(test)]
mod tests;

pub use address::{InvalidAddress, WorkerAddress};
pub use drawn::{Drawn, Shown};
pub use figures::WorkerFigures;
pub use file::FileError;
pub use lane_slots::{Exclusion, LaneSlots, LaneStanding};
pub use logs::LogsError;
pub use registry::{Fleet, FleetTasks, StartError};
pub use reservation::{Permit, Reservation, SlotEnd, Verdict};
pub use row::{SlotReport, WorkerStanding};
pub use slots::{SlotTotals, Slots};
pub use worker::{Service, SlotFigures, SystemFigures, Worker, WorkerStatus};

/// Looks after workers that failed.
pub trait WorkerProbe: Send + Sync + 'static {
    /// Has the worker's health checked soon. Repeated calls are one.
    fn probe_now(&self, worker: WorkerId);

    /// A connection to the worker failed: nothing goes there until it passes a health check, which is made at once.
    fn suspect(&self, worker: WorkerId);
}

impl WorkerProbe for Fleet {
    fn probe_now(&self, worker: WorkerId) {
        Self::probe_now(self, worker);
    }

    fn suspect(&self, worker: WorkerId) {
        Self::suspect(self, worker);
    }
}

/// The number of a worker within this balancer, the same for its address as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u32);
