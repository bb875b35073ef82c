//! The task behind the history and the live pages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, Topic};
use super::history::Range;
use super::hub::Hub;
use super::rates::{Gauges, Span};
use crate::config::QueueBackend;
use crate::dashboard::logs::Tail;
use crate::dashboard::overview::{self, Overview, Storage};
use crate::dashboard::workers::{Rows, WorkerRow};
use crate::dispatch::{Dispatcher, LaneView};
use crate::task::{LaneKey, Timestamp};
use crate::telemetry::{LaneTotals, LogRing, Metrics, SlotCounts};
use crate::workers::{Fleet, WorkerId};

/// Between two samples.
const TICK: Duration = Duration::from_secs(1);
/// A queue that takes longer to say its counts is not waited for.
const PATIENCE: Duration = Duration::from_millis(800);
/// Beyond so many workers their changes are told every other second.
const MANY_WORKERS: usize = 500;
/// Between two looks at the disk, and at the policies.
const SLOW_TICKS: u64 = 10;

/// What the sampler reads.
#[derive(Clone)]
pub(in crate::dashboard) struct View {
    pub(in crate::dashboard) dispatcher: Arc<Dispatcher>,
    pub(in crate::dashboard) fleet: Arc<Fleet>,
    pub(in crate::dashboard) metrics: Arc<Metrics>,
    pub(in crate::dashboard) logs: LogRing,
    /// Where the queue keeps its files, if it has any.
    pub(in crate::dashboard) data_dir: Option<std::path::PathBuf>,
}

impl View {
    /// Where a queue of that kind keeps its files.
    pub(in crate::dashboard) fn directory(
        backend: QueueBackend,
        data_dir: &std::path::Path,
    ) -> Option<std::path::PathBuf> {
        (backend == QueueBackend::Embedded).then(|| data_dir.to_owned())
    }
}

/// Samples, and tells the pages that are open.
pub(in crate::dashboard) struct Sampler {
    hub: Arc<Hub>,
    view: View,
    spans: [Span; 3],
    /// Since when lanes have had tasks and free slots beside each other.
    stuck: HashMap<LaneKey, Instant>,
    storage: Storage,
    rows: Rows,
    tail: Tail,
    ticks: u64,
}

/// How lanes and slots stand; lanes are `None` if the queue does not say.
pub(super) struct Standing {
    lanes: Option<Vec<LaneView>>,
    slots: SlotCounts,
}

impl Sampler {
    pub(in crate::dashboard) fn new(hub: Arc<Hub>, view: View) -> Self {
        let (now, totals) = (Instant::now(), view.metrics.totals());
        let span = |range: Range| Span::new(Duration::from_secs(range.step()), now, totals.clone());
        let tail = Tail::from_now(&view.logs);
        hub.lanes.lock().begin(view.dispatcher.clock().now());
        Self {
            spans: Range::ALL.map(span),
            stuck: HashMap::new(),
            storage: Storage::default(),
            rows: Rows::default(),
            ticks: 0,
            hub,
            view,
            tail,
        }
    }

    /// Runs until `stop`.
    pub(in crate::dashboard) async fn run(mut self, stop: CancellationToken) {
        let mut ticker = tokio::time::interval(TICK);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once, and there is nothing to compare with yet.
        ticker.tick().await;
        while stop.run_until_cancelled(ticker.tick()).await.is_some() {
            if stop.run_until_cancelled(self.tick()).await.is_none() {
                return;
            }
        }
    }

    async fn tick(&mut self) {
        let standing = standing(&self.view).await;
        let now = Instant::now();
        self.sample(&standing, now);
        self.note_stuck(standing.lanes.as_deref().unwrap_or_default(), now);
        if self.ticks.is_multiple_of(SLOW_TICKS) {
            self.storage = Storage::look(&self.view).await;
            self.hub.fallbacks.lock().note(self.view.dispatcher.policy().statuses());
        }
        self.note_lanes(standing.lanes.as_deref().unwrap_or_default()).await;
        self.ticks += 1;
        if self.hub.listeners() == 0 {
            self.tail.skip(&self.view.logs);
            return;
        }
        let frame = self.changes(standing).await;
        self.hub.tell(frame);
    }

    fn sample(&mut self, standing: &Standing, now: Instant) {
        let (at, totals) = (self.view.dispatcher.clock().now(), self.view.metrics.totals());
        let gauges = gauges(standing);
        let mut history = self.hub.history.lock();
        for (range, span) in Range::ALL.into_iter().zip(&mut self.spans) {
            if let Some(sample) = span.note(now, at, &totals, gauges) {
                history.push(range, sample);
            }
        }
    }

    fn note_stuck(&mut self, lanes: &[LaneView], now: Instant) {
        let stuck = |lane: &&LaneView| lane.counts.queued > 0 && lane.free_slots > 0 && !lane.paused;
        let stuck: Vec<&LaneKey> = lanes.iter().filter(stuck).map(|lane| &lane.lane).collect();
        self.stuck.retain(|lane, _| stuck.contains(&lane));
        for lane in stuck {
            self.stuck.entry(lane.clone()).or_insert(now);
        }
    }

    /// Once a minute: what ended in each lane.
    async fn note_lanes(&self, lanes: &[LaneView]) {
        let now = self.view.dispatcher.clock().now();
        if !self.hub.lanes.lock().is_due(now) {
            return;
        }
        let metrics = &self.view.metrics;
        let counted: Vec<_> = metrics
            .counted_lanes()
            .into_iter()
            .filter_map(|lane| metrics.lane_totals(&lane).map(|totals| (lane, totals)))
            .collect();
        let look = oldest(&self.view, lanes, &counted, now);
        let oldest = tokio::time::timeout(PATIENCE, look).await.unwrap_or_default();
        for lane in self.hub.lanes.lock().note(now, counted, &oldest) {
            metrics.forget_lane(&lane);
        }
    }

    /// What has changed since the tick before.
    async fn changes(&mut self, standing: Standing) -> Frame {
        let mut frame = Frame::default();
        let rows = workers(&self.view, self.view.dispatcher.clock().now(), &mut self.rows);
        let overview = self.overview(standing, &rows).await;
        frame.set(Topic::Overview, &overview);
        if rows.len() <= MANY_WORKERS || self.ticks.is_multiple_of(2) {
            let changes = self.rows.changes(rows);
            if let Some(changes) = changes {
                frame.set(Topic::Workers, &changes);
                frame.rows = Arc::new(changes.each());
            }
        }
        if let Some(lines) = self.tail.next(&self.view.logs) {
            frame.set(Topic::Logs, &lines);
        }
        frame
    }

    async fn overview(&self, standing: Standing, rows: &[(WorkerId, WorkerRow)]) -> Overview {
        let found = overview::Found {
            lanes: standing.lanes,
            rows,
            stuck: self.stuck.iter().map(|(lane, since)| (lane.clone(), since.elapsed())).collect(),
            storage: self.storage,
            fallbacks: self.hub.fallbacks.lock().lately(),
        };
        let samples = {
            let history = self.hub.history.lock();
            Range::ALL.map(|range| history.samples(range).next_back().copied())
        };
        let minute = overview::last_minute(&self.hub.history.lock());
        overview::of(&self.view, found, &samples, minute).await
    }
}

/// How long the oldest task of each lane has waited.
async fn oldest(
    view: &View,
    lanes: &[LaneView],
    counted: &[(LaneKey, LaneTotals)],
    now: Timestamp,
) -> HashMap<LaneKey, Duration> {
    let mut oldest = HashMap::new();
    let is_counted = |lane: &LaneKey| counted.iter().any(|(key, _)| key == lane);
    for LaneView { lane, .. } in lanes.iter().filter(|lane| lane.counts.queued > 0 && is_counted(&lane.lane)) {
        if let Ok(Some(since)) = view.dispatcher.queue().oldest_queued(lane).await {
            oldest.insert(lane.clone(), now.since(since));
        }
    }
    oldest
}

/// Everything a page shows when it opens.
pub(super) async fn snapshot(hub: &Hub, view: &View) -> Arc<Frame> {
    hub.snapshot(async || {
        let mut frame = Frame::default();
        let mut table = Rows::default();
        let now = view.dispatcher.clock().now();
        let rows = workers(view, now, &mut table);
        frame.set(Topic::Overview, &overview_now(hub, view, &rows).await);
        let all = table.all(&rows);
        frame.set(Topic::Workers, &all);
        frame.rows = Arc::new(all.each());
        frame.set(Topic::Logs, &Tail::whole(&view.logs));
        frame
    })
    .await
}

/// How things stand, without what only the sampler knows.
pub(in crate::dashboard) async fn overview_now(hub: &Hub, view: &View, rows: &[(WorkerId, WorkerRow)]) -> Overview {
    let standing = standing(view).await;
    let found = overview::Found {
        lanes: standing.lanes,
        rows,
        stuck: HashMap::new(),
        storage: Storage::look(view).await,
        fallbacks: hub.fallbacks.lock().lately(),
    };
    let minute = overview::last_minute(&hub.history.lock());
    overview::of(view, found, &[None; 3], minute).await
}

async fn standing(view: &View) -> Standing {
    let slots = view.dispatcher.slot_totals();
    let lanes = match tokio::time::timeout(PATIENCE, view.dispatcher.lanes()).await {
        Ok(Ok(lanes)) => Some(lanes),
        Ok(Err(_)) | Err(_) => None,
    };
    Standing { lanes, slots: SlotCounts { limit: slots.limit, used: slots.used, free: slots.free } }
}

fn gauges(standing: &Standing) -> Gauges {
    let SlotCounts { limit, used, .. } = standing.slots;
    let mut gauges = Gauges { used, limit, ..Gauges::default() };
    for lane in standing.lanes.iter().flatten() {
        gauges.queued += lane.counts.queued;
        gauges.delayed += lane.counts.delayed;
        gauges.running += lane.counts.running;
    }
    gauges
}

/// The workers as pages show them.
pub(in crate::dashboard) fn workers(view: &View, now: Timestamp, rows: &mut Rows) -> Vec<(WorkerId, WorkerRow)> {
    rows.of(&view.fleet.all_workers(), &view.fleet.figures(), now)
}
