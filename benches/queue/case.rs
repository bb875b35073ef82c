//! What is measured, and what came out.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::backend::Backend;

/// Where the waiting tasks are, as seen from the lane that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    Nowhere,
    OtherLanes,
    SameLane,
}

/// One thing to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) queue: Backend,
    /// How many tasks wait.
    pub(crate) queued: u64,
    pub(crate) place: Place,
}

/// All measurements of one case, in the order of the rounds.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) case: Case,
    pub(crate) figures: Vec<Figures>,
    /// Opened after a kill under load.
    pub(crate) killed: Vec<Reopened>,
    /// Opened after an orderly end.
    pub(crate) ended: Vec<Reopened>,
}

/// One measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// In a second, in the order of [`OPERATIONS`].
    pub(crate) rates: [f64; OPERATIONS.len()],
    /// CPU time of a task from its making to its settlement.
    pub(crate) cpu_us: f64,
    pub(crate) fill_seconds: f64,
    /// Resident memory in bytes: with an empty queue, a filled one, and at the end.
    pub(crate) memory: [u64; 3],
    /// Bytes that the files take on the disk: of a filled queue, and at the end.
    pub(crate) disk: [u64; 2],
}

/// The writes that are measured.
pub(crate) const OPERATIONS: [&str; 5] = ["enqueue", "claim", "settle", "enqueue_and_claim", "settle_and_claim"];

/// What opening a queue that was there came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reopened {
    pub(crate) seconds: f64,
    /// Tasks that had not ended.
    pub(crate) tasks: u64,
    /// Resident memory in bytes.
    pub(crate) memory: u64,
}

impl Series {
    pub(crate) fn new(case: Case) -> Self {
        Self { case, figures: Vec::new(), killed: Vec::new(), ended: Vec::new() }
    }
}

impl Place {
    /// The word of the tables.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Nowhere => "",
            Self::OtherLanes => "other lanes",
            Self::SameLane => "the same lane",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} queued", self.queue.name(), self.queued)?;
        if self.place == Place::Nowhere { Ok(()) } else { write!(f, " in {}", self.place.words()) }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [enqueue, claim, settle, ..] = self.rates;
        write!(f, "enqueue {enqueue:.0}, claim {claim:.0}, settle {settle:.0} a second")
    }
}
