//! What the balancer itself has seen of the workers.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Fleet, LaneSlots, WorkerId};

/// What the balancer itself has seen of one worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkerFigures {
    /// Tasks that this balancer runs there now.
    pub in_flight: u32,
    /// Whether it may be given tasks: ready, every service up, no failed connection since the last health check.
    pub eligible: bool,
    /// Average time of its answers in milliseconds, 0 before the first.
    pub latency_ms: f32,
    /// Share of failures among its latest answers, fading: 0 to 1.
    pub failure_rate: f32,
    /// How long ago it last reported its slots.
    pub report_age: Option<Duration>,
}

impl Fleet {
    /// What has been seen of the workers that have a lane, by their numbers.
    pub fn figures(&self) -> HashMap<WorkerId, WorkerFigures> {
        let mut figures = HashMap::new();
        for lane in self.shared.slots.lanes() {
            lane.add_figures(&mut figures);
        }
        figures
    }
}

impl LaneSlots {
    fn add_figures(&self, figures: &mut HashMap<WorkerId, WorkerFigures>) {
        let now = Instant::now();
        for row in self.inner.lock().rows.iter().filter(|row| !row.departed) {
            let candidate = row.candidate(now);
            let figure = WorkerFigures {
                in_flight: candidate.in_flight,
                eligible: row.is_eligible(),
                latency_ms: candidate.latency_ms,
                failure_rate: candidate.failure_rate,
                report_age: row.reported_at.map(|at| now - at),
            };
            figures.insert(row.worker, figure);
        }
    }
}
