//! The lanes as the first page shows them.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::dashboard::live::View;
use crate::dispatch::LaneView;
use crate::task::{Contract, LaneKey, Timestamp};

/// Tasks beside free slots for so long are no passing moment.
const STUCK: Duration = Duration::from_secs(5);

/// A lane.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LaneRow {
    pub(super) group: String,
    pub(super) contract: Contract,
    pub(super) state: LaneState,
    pub(super) queued: u64,
    pub(super) delayed: u64,
    running: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
    workers: usize,
    pub(super) free: u64,
    /// When the oldest of its queued tasks was submitted, in milliseconds since the epoch.
    pub(super) oldest: Option<i64>,
    #[serde(skip)]
    pub(super) oldest_at: Option<Timestamp>,
}

/// How a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LaneState {
    /// Tasks wait, and no worker is ready.
    NoWorkers,
    /// Tasks wait beside free slots.
    Starving,
    /// Somebody has stopped it.
    Paused,
    /// All slots are busy, and tasks wait.
    Busy,
    /// Tasks run, or could.
    Flowing,
    /// No tasks.
    Idle,
}

/// The lanes, those that need somebody first, then by name; at most `most`.
pub(super) async fn rows(
    view: &View,
    lanes: &[LaneView],
    stuck: &HashMap<LaneKey, Duration>,
    most: usize,
) -> Vec<LaneRow> {
    let mut states: Vec<(LaneState, &LaneView)> = lanes.iter().map(|lane| (state(lane, stuck), lane)).collect();
    if states.len() > most {
        states.sort_by_key(|(state, _)| *state);
        states.truncate(most);
    }
    states.sort_by(|(_, left), (_, right)| left.lane.cmp(&right.lane));
    let mut rows = Vec::with_capacity(states.len());
    for (state, lane) in states {
        let oldest = match lane.counts.queued {
            0 => None,
            _ => view.dispatcher.queue().oldest_queued(&lane.lane).await.ok().flatten(),
        };
        rows.push(row(lane, state, oldest));
    }
    rows
}

fn state(lane: &LaneView, stuck: &HashMap<LaneKey, Duration>) -> LaneState {
    let waits = lane.counts.queued > 0;
    if lane.paused {
        LaneState::Paused
    } else if waits && lane.workers == 0 {
        LaneState::NoWorkers
    } else if waits && stuck.get(&lane.lane).is_some_and(|length| *length >= STUCK) {
        LaneState::Starving
    } else if waits {
        LaneState::Busy
    } else if lane.counts.running > 0 {
        LaneState::Flowing
    } else {
        LaneState::Idle
    }
}

fn row(lane: &LaneView, state: LaneState, oldest: Option<Timestamp>) -> LaneRow {
    LaneRow {
        group: lane.lane.group.to_string(),
        contract: lane.lane.contract,
        state,
        queued: lane.counts.queued,
        delayed: lane.counts.delayed,
        running: lane.counts.running,
        completed: lane.counts.completed,
        failed: lane.counts.failed,
        cancelled: lane.counts.cancelled,
        workers: lane.workers,
        free: lane.free_slots,
        oldest: oldest.map(Timestamp::as_millis),
        oldest_at: oldest,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::queue::StateCounts;

    pub(in crate::dashboard::overview) fn lane(queued: u64, workers: usize, free: u64) -> LaneView {
        LaneView {
            lane: LaneKey::new("g", Contract::new(1.0).unwrap()),
            paused: false,
            counts: StateCounts { queued, ..StateCounts::default() },
            workers,
            free_slots: free,
        }
    }

    pub(in crate::dashboard::overview) fn row_of(lane: &LaneView, stuck: u64) -> LaneRow {
        let stuck = HashMap::from([(lane.lane.clone(), Duration::from_secs(stuck))]);
        row(lane, state(lane, &stuck), Some(Timestamp::from_millis(0)))
    }

    #[test]
    fn a_lane_is_starving_only_after_a_while() {
        let states = |lane: &LaneView, stuck| row_of(lane, stuck).state;
        assert_eq!(states(&lane(1, 1, 1), 1), LaneState::Busy);
        assert_eq!(states(&lane(1, 1, 1), 5), LaneState::Starving);
        assert_eq!(states(&lane(0, 1, 1), 5), LaneState::Idle);
        assert_eq!(states(&lane(1, 0, 0), 0), LaneState::NoWorkers);
        assert_eq!(states(&LaneView { paused: true, ..lane(1, 0, 0) }, 9), LaneState::Paused);
    }
}
