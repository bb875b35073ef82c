//! What is read off the balancer's state when somebody asks.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{KindLabel, Labels, LaneLabels, StatusLabel};
use crate::task::LaneKey;

/// Lanes that are shown one by one. Clients make lanes by naming them, so there may be any number.
const SHOWN_LANES: usize = 1000;
/// The group under which the others are added up.
const OTHER_LANES: &str = "(others)";

/// The state of the balancer at one moment, for its gauges.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Workers by status; a status that is left out is not shown.
    pub workers: Vec<WorkerCounts>,
    /// The slots of all workers.
    pub slots: SlotCounts,
    /// The lanes. Beyond a thousand, the rest is shown as one.
    pub lanes: Vec<LaneCounts>,
}

/// How many workers have a status.
#[derive(Clone, Copy, Debug)]
pub struct WorkerCounts {
    /// The status, as in `/health`.
    pub status: &'static str,
    /// Workers that have it.
    pub count: u64,
}

/// The slots of all workers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlotCounts {
    /// Slots there are.
    pub limit: u64,
    /// Slots that are busy, by whoever.
    pub used: u64,
    /// Slots that could take a task now.
    pub free: u64,
}

/// The tasks of one lane.
#[derive(Clone, Debug)]
pub struct LaneCounts {
    /// The lane.
    pub lane: LaneKey,
    /// Tasks that wait.
    pub queued: u64,
    /// Tasks that run.
    pub running: u64,
}

impl Snapshot {
    pub(super) fn register(&self, registry: &mut Registry) {
        let workers = self.workers.iter().map(|entry| (StatusLabel { status: entry.status }, entry.count));
        gauges(registry, "workers", "Workers by status", workers);
        let SlotCounts { limit, used, free } = self.slots;
        let slots = [("limit", limit), ("used", used), ("free", free)];
        gauges(registry, "slots", "Slots of all workers", slots.map(|(kind, count)| (KindLabel { kind }, count)));
        let queued = self.by_lane(|lane| lane.queued);
        gauges(registry, "lane_queued", "Tasks that wait, by lane", queued);
        let running = self.by_lane(|lane| lane.running);
        gauges(registry, "lane_running", "Tasks that run, by lane", running);
    }

    fn by_lane(&self, count: fn(&LaneCounts) -> u64) -> impl Iterator<Item = (LaneLabels, u64)> {
        let (shown, others) = self.lanes.split_at(self.lanes.len().min(SHOWN_LANES));
        let others = (!others.is_empty()).then(|| {
            let labels = LaneLabels { group: OTHER_LANES.into(), contract: String::new() };
            (labels, others.iter().map(count).sum())
        });
        let shown = shown.iter().map(move |entry| {
            let LaneKey { group, contract } = &entry.lane;
            (LaneLabels { group: group.clone(), contract: contract.to_string() }, count(entry))
        });
        shown.chain(others)
    }
}

fn gauges<L: Labels>(registry: &mut Registry, name: &str, help: &str, values: impl IntoIterator<Item = (L, u64)>) {
    let family = Family::<L, Gauge>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    registry.register(name, help, family);
}
