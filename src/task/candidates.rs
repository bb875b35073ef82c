//! The eligible workers of a decision, as columns: the words between those who know the workers and those who rank them.

use serde::{Deserialize, Serialize};

/// One eligible worker: a row of [`Candidates`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The worker's number.
    pub worker: u32,
    /// Its limit of tasks at once.
    pub slots: u32,
    /// Busy slots by the host's reckoning: own, held and foreign.
    pub used: u32,
    /// Our own tasks in flight there.
    pub in_flight: u32,
    /// Tasks in the worker's own queue, as last reported.
    pub queue: u32,
    /// CPU load, 1-minute load average divided by cores (0 idle, 1 busy, above 1 overloaded).
    pub cpu: f32,
    /// Used memory, 0 to 100 percent.
    pub memory: f32,
    /// Milliseconds since its last report.
    pub report_age_ms: u32,
    /// Average latency of its answers in milliseconds, 0 when nothing is known yet.
    pub latency_ms: f32,
    /// Share of failed attempts lately, 0 to 1.
    pub failure_rate: f32,
    /// Its weight (tag `weight`), 1 by default.
    pub weight: f32,
}

/// The eligible workers with a free slot, one list per signal. All lists have the same length; a row is one worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidates {
    /// See [`Candidate::worker`].
    pub worker: Vec<u32>,
    /// See [`Candidate::slots`].
    pub slots: Vec<u32>,
    /// See [`Candidate::used`].
    pub used: Vec<u32>,
    /// See [`Candidate::in_flight`].
    pub in_flight: Vec<u32>,
    /// See [`Candidate::queue`].
    pub queue: Vec<u32>,
    /// See [`Candidate::cpu`].
    pub cpu: Vec<f32>,
    /// See [`Candidate::memory`].
    pub memory: Vec<f32>,
    /// See [`Candidate::report_age_ms`].
    pub report_age_ms: Vec<u32>,
    /// See [`Candidate::latency_ms`].
    pub latency_ms: Vec<f32>,
    /// See [`Candidate::failure_rate`].
    pub failure_rate: Vec<f32>,
    /// See [`Candidate::weight`].
    pub weight: Vec<f32>,
}

impl Candidates {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.worker.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.worker.is_empty()
    }

    /// One row.
    pub fn row(&self, row: usize) -> Option<Candidate> {
        Some(Candidate {
            worker: *self.worker.get(row)?,
            slots: *self.slots.get(row)?,
            used: *self.used.get(row)?,
            in_flight: *self.in_flight.get(row)?,
            queue: *self.queue.get(row)?,
            cpu: *self.cpu.get(row)?,
            memory: *self.memory.get(row)?,
            report_age_ms: *self.report_age_ms.get(row)?,
            latency_ms: *self.latency_ms.get(row)?,
            failure_rate: *self.failure_rate.get(row)?,
            weight: *self.weight.get(row)?,
        })
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.worker.clear();
        self.slots.clear();
        self.used.clear();
        self.in_flight.clear();
        self.queue.clear();
        self.cpu.clear();
        self.memory.clear();
        self.report_age_ms.clear();
        self.latency_ms.clear();
        self.failure_rate.clear();
        self.weight.clear();
    }

    /// Adds a row.
    pub fn push(&mut self, row: &Candidate) {
        self.worker.push(row.worker);
        self.slots.push(row.slots);
        self.used.push(row.used);
        self.in_flight.push(row.in_flight);
        self.queue.push(row.queue);
        self.cpu.push(row.cpu);
        self.memory.push(row.memory);
        self.report_age_ms.push(row.report_age_ms);
        self.latency_ms.push(row.latency_ms);
        self.failure_rate.push(row.failure_rate);
        self.weight.push(row.weight);
    }
}

impl FromIterator<Candidate> for Candidates {
    fn from_iter<I: IntoIterator<Item = Candidate>>(rows: I) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.push(&row);
        }
        columns
    }
}
