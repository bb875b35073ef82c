//! One worker's slots and signals within its lane.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Verdict, WorkerAddress, WorkerId};
use crate::task::{Candidate, Timestamp};

/// The time constant of the latency average: an answer that old counts for about a third.
const LATENCY_DECAY: Duration = Duration::from_secs(10);
/// The time constant at which failures are forgotten.
const FAILURE_DECAY: Duration = Duration::from_secs(30);
/// How much one failed attempt raises the failure rate towards 1.
const FAILURE_STEP: f32 = 0.2;

/// What a worker says of its slots, over the WebSocket or in `/health`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SlotReport {
    /// `slots.limit`.
    pub limit: u32,
    /// `slots.used`.
    pub used: u32,
    /// `slots.queue`.
    pub queue: u32,
    /// `system.cpuLoad`, if the report has it.
    pub cpu: Option<f32>,
    /// `system.usedMemoryPercent`, if the report has it.
    pub memory: Option<f32>,
}

/// What the registry has found out about a worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkerStanding {
    /// Its status is `ready` and its contract valid.
    pub ready: bool,
    /// It may be given tasks: ready, and every service is up.
    pub eligible: bool,
    /// Its weight (tag `weight`), 1 by default.
    pub weight: f32,
}

/// One worker's slots and signals within its lane.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) worker: WorkerId,
    pub(super) address: Arc<WorkerAddress>,
    pub(super) standing: WorkerStanding,
    /// A connection to it failed since its last passed health check.
    pub(super) suspect: bool,
    /// It has left the lane; the row stays until our last request to it has ended.
    pub(super) departed: bool,
    pub(super) limit: u32,
    /// Our reservations.
    pub(super) own: u32,
    /// Slots of requests that were cut off: busy until the next report.
    pub(super) held: u32,
    /// Busy slots that are not ours, by the last report.
    pub(super) foreign: u32,
    /// The most of our reservations at once since the previous report.
    pub(super) peak: u32,
    pub(super) queue: u32,
    pub(super) cpu: f32,
    pub(super) memory: f32,
    pub(super) reported_at: Option<Instant>,
    pub(super) passed_at: Option<Timestamp>,
    pub(super) failed_at: Option<Timestamp>,
    latency_ms: f32,
    latency_at: Option<Instant>,
    failure_rate: f32,
    failure_at: Option<Instant>,
    /// Where the lane's list of those with a free slot has it, if it has.
    pub(super) open_at: usize,
}

impl Row {
    pub(super) fn new(worker: WorkerId, address: Arc<WorkerAddress>, standing: WorkerStanding) -> Self {
        Self {
            worker,
            address,
            standing,
            suspect: false,
            departed: false,
            limit: 0,
            own: 0,
            held: 0,
            foreign: 0,
            peak: 0,
            queue: 0,
            cpu: 0.0,
            memory: 0.0,
            reported_at: None,
            passed_at: None,
            failed_at: None,
            latency_ms: 0.0,
            latency_at: None,
            failure_rate: 0.0,
            failure_at: None,
            open_at: 0,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.standing.ready && !self.suspect && !self.departed
    }

    pub(super) fn is_eligible(&self) -> bool {
        self.standing.eligible && !self.suspect && !self.departed
    }

    pub(super) fn busy(&self) -> u32 {
        self.own.saturating_add(self.held).saturating_add(self.foreign)
    }

    /// Free slots: limit − own − held − foreign, and none while the worker is not eligible.
    pub(super) fn free(&self) -> u32 {
        if self.is_eligible() { self.limit.saturating_sub(self.busy()) } else { 0 }
    }

    pub(super) fn reserve(&mut self) {
        self.own += 1;
        self.peak = self.peak.max(self.own);
    }

    pub(super) fn finish(&mut self) {
        self.own = self.own.saturating_sub(1);
    }

    /// A request that was cut off may still run on the worker: its slot is taken until a report says otherwise, and that
    /// report must not be read as if the request were ours.
    pub(super) fn hold(&mut self) {
        self.own = self.own.saturating_sub(1);
        self.held += 1;
        self.peak = self.peak.saturating_sub(1).max(self.own);
    }

    /// Takes in a report. It counts our own tasks too, and lags: whatever it shows beyond the most that we had there since the
    /// previous report is somebody else's.
    pub(super) fn report(&mut self, report: &SlotReport, now: Instant) {
        self.limit = report.limit;
        self.queue = report.queue;
        self.foreign = report.used.saturating_add(report.queue).saturating_sub(self.peak);
        self.held = 0;
        self.peak = self.own;
        if let Some(cpu) = report.cpu {
            self.cpu = cpu;
        }
        if let Some(memory) = report.memory {
            self.memory = memory;
        }
        self.reported_at = Some(now);
    }

    pub(super) fn observe(&mut self, verdict: Verdict, now: Instant) {
        match verdict {
            Verdict::Good(latency) => {
                self.observe_latency(latency, now);
                self.observe_outcome(false, now);
            }
            Verdict::Bad(at) => {
                self.failed_at = Some(at);
                self.observe_outcome(true, now);
            }
            Verdict::Neutral => {}
        }
    }

    fn observe_latency(&mut self, latency: Duration, now: Instant) {
        let sample = latency.as_secs_f32() * 1_000.0;
        self.latency_ms = match self.latency_at {
            None => sample,
            Some(at) => sample + (self.latency_ms - sample) * decay(now - at, LATENCY_DECAY),
        };
        self.latency_at = Some(now);
    }

    fn observe_outcome(&mut self, failed: bool, now: Instant) {
        if !failed && self.failure_rate == 0.0 {
            return;
        }
        let rate = self.failure_rate_at(now);
        let target = if failed { 1.0 } else { 0.0 };
        self.failure_rate = rate + (target - rate) * FAILURE_STEP;
        self.failure_at = Some(now);
    }

    fn failure_rate_at(&self, now: Instant) -> f32 {
        let faded = self.failure_at.map_or(0.0, |at| self.failure_rate * decay(now - at, FAILURE_DECAY));
        // Below that nothing is left to tell workers apart by.
        if faded < 0.001 { 0.0 } else { faded }
    }

    pub(super) fn candidate(&self, now: Instant) -> Candidate {
        let age = self.reported_at.map_or(Duration::MAX, |at| now - at);
        Candidate {
            worker: self.worker.0,
            slots: self.limit,
            used: self.busy(),
            in_flight: self.own,
            queue: self.queue,
            cpu: self.cpu,
            memory: self.memory,
            report_age_ms: u32::try_from(age.as_millis()).unwrap_or(u32::MAX),
            latency_ms: self.latency_ms,
            failure_rate: self.failure_rate_at(now),
            weight: self.standing.weight,
        }
    }
}

/// What is left of an old value after `elapsed`, for an exponential average with that time constant.
fn decay(elapsed: Duration, constant: Duration) -> f32 {
    (-elapsed.as_secs_f32() / constant.as_secs_f32()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(limit: u32) -> Row {
        let address = Arc::new(WorkerAddress::parse("http://w:1").unwrap());
        let standing = WorkerStanding { ready: true, eligible: true, weight: 1.0 };
        let mut row = Row::new(WorkerId(0), address, standing);
        row.report(&SlotReport { limit, ..SlotReport::default() }, Instant::now());
        row
    }

    fn report(row: &mut Row, used: u32, queue: u32) {
        let limit = row.limit;
        row.report(&SlotReport { limit, used, queue, ..SlotReport::default() }, Instant::now());
    }

    #[test]
    fn a_report_of_our_own_tasks_is_not_counted_twice() {
        let mut row = row(10);
        (0..4).for_each(|_| row.reserve());
        report(&mut row, 4, 0);
        assert_eq!((row.foreign, row.free()), (0, 6));
    }

    #[test]
    fn a_late_report_of_tasks_that_have_ended_meanwhile_is_still_ours() {
        let mut row = row(10);
        (0..4).for_each(|_| row.reserve());
        (0..3).for_each(|_| row.finish());
        report(&mut row, 4, 0);
        assert_eq!((row.foreign, row.free()), (0, 9));
        report(&mut row, 4, 0);
        assert_eq!((row.foreign, row.free()), (3, 6), "the next report replaces foreign");
    }

    #[test]
    fn tasks_of_others_and_the_workers_queue_take_slots() {
        let mut row = row(10);
        row.reserve();
        report(&mut row, 10, 5);
        assert_eq!((row.foreign, row.free()), (14, 0));
        report(&mut row, 2, 0);
        assert_eq!((row.foreign, row.free()), (1, 8));
    }

    #[test]
    fn a_request_cut_off_holds_its_slot_until_the_report_after_it() {
        let mut row = row(2);
        row.reserve();
        row.hold();
        assert_eq!(row.free(), 1);
        report(&mut row, 1, 0);
        assert_eq!((row.held, row.foreign, row.free()), (0, 1, 1), "the worker says it still runs");
        report(&mut row, 0, 0);
        assert_eq!(row.free(), 2);
    }

    #[test]
    fn failures_raise_the_rate_and_fade() {
        let mut row = row(2);
        let now = Instant::now();
        row.observe_outcome(true, now);
        row.observe_outcome(true, now);
        let fresh = row.candidate(now).failure_rate;
        let later = row.candidate(now + Duration::from_mins(1)).failure_rate;
        assert!(fresh > 0.3 && later < 0.1, "{fresh} {later}");
    }
}
