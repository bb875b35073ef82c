//! What ended in each lane by the minute, the hour and the day, and how long it took, since this balancer was started.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::BoardError;
use super::queues::lane_of;
use crate::dashboard::DashboardState;
use crate::dashboard::live::{Bucket, HOUR, LaneRecord, Timed, start_of};
use crate::task::{LaneKey, Timestamp, lane_name};
use crate::telemetry::LatencyCounts;

const DAY: i64 = 24 * HOUR;
/// How far back hours reach.
const KEPT: i64 = 90 * DAY;
const DEFAULT_PERCENTILES: [f64; 3] = [50.0, 95.0, 99.0];

/// What is asked for. Numbers are texts in an address, and may have a fraction.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    from: Option<f64>,
    to: Option<f64>,
    granularity: Option<String>,
    queue: Option<String>,
    metric: Option<String>,
    percentiles: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Purge {
    queue: Option<String>,
    /// A day; only what was before it.
    before: Option<String>,
}

/// A stretch of time, and how finely it is shown.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: i64,
    to: i64,
    step: i64,
}

#[derive(Debug, Serialize)]
struct Point {
    ts: i64,
    value: u32,
}

/// Completed and failed jobs by the minute, the latest first, as `BullMQ` keeps them; the minute that is not over is not among them.
pub(super) async fn metrics(
    State(state): State<DashboardState>,
    Path(queue): Path<String>,
) -> Result<Json<Value>, BoardError> {
    let lane = lane_of(&state, &queue).await?.lane;
    let totals = state.live.view.metrics.lane_totals(&lane).unwrap_or_default();
    let history = state.live.lanes().lock();
    let (before, points) = history
        .lanes
        .get(&lane)
        .map_or_else(Default::default, |record| (record.totals.clone(), record.by_minute(history.minute)));
    let of = |which: usize, now: u64, before: u64| {
        let data: Vec<u32> = points.iter().map(|point| point[which]).collect();
        let meta = json!({ "count": now, "prevTS": history.minute, "prevCount": before });
        json!({ "meta": meta, "count": data.len(), "data": data })
    };
    let completed = of(0, totals.completed, before.completed);
    Ok(Json(json!({ "completed": completed, "failed": of(1, totals.failed, before.failed) })))
}

/// Completed and failed jobs, or the age of the oldest one that waited, by the hour or the day; of one queue or all.
pub(super) async fn history(
    State(state): State<DashboardState>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, BoardError> {
    let Query(asked) = asked.map_err(|error| BoardError::bad(error.body_text()))?;
    let (Some(from), Some(to)) = (asked.from, asked.to) else {
        return Err(BoardError::bad("from and to are needed, in milliseconds since the epoch"));
    };
    let stretch = Stretch::new(from, to, asked.granularity.as_deref())?;
    let metrics: &[&str] = match asked.metric.as_deref() {
        None => &["completed", "failed"],
        Some("completed") => &["completed"],
        Some("failed") => &["failed"],
        Some("queueage") => &["queueage"],
        Some(_) => return Err(BoardError::bad("metric must be completed, failed or queueage")),
    };
    if stretch.is_whole() {
        return Err(BoardError::bad("granularity must be hour or day"));
    }
    let (records, now) =
        (records(&state, asked.queue.as_deref()), state.live.view.dispatcher.clock().now().as_millis());
    let series = |metric: &&str| ((*metric).to_owned(), json!(points(&records, stretch, metric, now)));
    Ok(Json(Value::Object(metrics.iter().map(series).collect())))
}

/// Percentiles of how long jobs ran or waited, by the hour, the day, or over all of the stretch.
pub(super) async fn latency(
    State(state): State<DashboardState>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, BoardError> {
    let Query(asked) = asked.map_err(|error| BoardError::bad(error.body_text()))?;
    let timed = match asked.metric.as_deref() {
        Some("runtime") => Timed::Run,
        Some("waittime") => Timed::Wait,
        _ => return Err(BoardError::bad("metric must be runtime or waittime")),
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch")]
    let now = state.live.view.dispatcher.clock().now().as_millis() as f64;
    let stretch = Stretch::new(asked.from.unwrap_or(0.0), asked.to.unwrap_or(now), asked.granularity.as_deref())?;
    let wanted = percentiles(asked.percentiles.as_deref().unwrap_or_default());
    let mut counts: BTreeMap<i64, LatencyCounts> = BTreeMap::new();
    for hour in records(&state, asked.queue.as_deref()).iter().flat_map(|record| stretch.hours_of(record)) {
        counts.entry(stretch.place_of(hour.at)).or_default().add(&hour.times(timed));
    }
    let point = |(ts, times): (i64, LatencyCounts)| {
        let value = |percent: &f64| Some((percent.to_string(), json!(times.percentile(percent / 100.0)?)));
        let values: serde_json::Map<String, Value> = wanted.iter().filter_map(value).collect();
        (times.count() > 0).then(|| json!({ "ts": ts, "count": times.count(), "values": values }))
    };
    Ok(Json(counts.into_iter().filter_map(point).collect()))
}

/// How much is kept.
pub(super) async fn usage(State(state): State<DashboardState>) -> Json<Value> {
    let history = state.live.lanes().lock();
    let (mut sum, mut queues) = (Usage::default(), Vec::new());
    for (lane, record) in &history.lanes {
        let own = Usage::of(record);
        sum.add(&own);
        let days = own.days.iter().map(|day| day_of(*day)).collect::<Vec<_>>();
        queues.push(json!({
            "queue": lane_name::of(lane), "keys": own.keys(), "bytes": own.bytes(), "minutes": own.minutes.0,
            "days": days, "tiers": own.tiers(),
        }));
    }
    Json(json!({
        "keys": sum.keys(), "bytes": sum.bytes(), "minutes": sum.minutes.0, "tiers": sum.tiers(), "queues": queues,
        "oldestDay": sum.days.first().map(|day| day_of(*day)), "newestDay": sum.days.last().map(|day| day_of(*day)),
    }))
}

/// Forgets what was kept of a queue or of all, from before a day or altogether.
pub(super) async fn purge(
    State(state): State<DashboardState>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, BoardError> {
    let body = if body.is_empty() { &b"{}"[..] } else { &body };
    let asked: Purge = serde_json::from_slice(body).map_err(|error| BoardError::bad(error.to_string()))?;
    let before = match asked.before.as_deref() {
        None => i64::MAX,
        Some(day) => Timestamp::from_rfc3339(&format!("{day}T00:00:00Z"))
            .ok_or_else(|| BoardError::bad("before must be a day: YYYY-MM-DD"))?
            .as_millis(),
    };
    let lane = asked.queue.as_deref().map(|queue| lane_name::parse(queue).ok_or_else(|| BoardError::no_queue(queue)));
    let (keys, fields) = state.live.lanes().lock().purge(lane.transpose()?.as_ref(), before);
    Ok(Json(json!({ "keysDeleted": keys, "fieldsDeleted": fields })))
}

/// The records of one lane or all, with what has come since the last minute.
fn records(state: &DashboardState, queue: Option<&str>) -> Vec<LaneRecord> {
    let metrics = &state.live.view.metrics;
    let lanes: Vec<LaneKey> = match queue {
        Some(queue) => lane_name::parse(queue).into_iter().collect(),
        None => metrics.counted_lanes(),
    };
    let history = state.live.lanes().lock();
    let record = |lane: &LaneKey| {
        let totals = metrics.lane_totals(lane)?;
        let record = history.lanes.get(lane).cloned().unwrap_or_else(|| LaneRecord::new(history.minute));
        Some(record.until_now(history.minute, &totals))
    };
    lanes.iter().filter_map(record).collect()
}

/// A point for every hour or day of the stretch of which something is known.
fn points(records: &[LaneRecord], stretch: Stretch, metric: &str, now: i64) -> Vec<Point> {
    let Some(began) = records.iter().map(|record| record.began).min() else { return Vec::new() };
    let first = stretch.place_of(stretch.from.max(began).max(now - KEPT));
    let last = stretch.to.min(now);
    let mut points: BTreeMap<i64, u32> = BTreeMap::new();
    let mut at = first;
    while at <= last {
        points.insert(at, 0);
        at += stretch.step;
    }
    for hour in records.iter().flat_map(|record| stretch.hours_of(record)) {
        if let Some(value) = points.get_mut(&stretch.place_of(hour.at)) {
            *value = match metric {
                "completed" => value.saturating_add(hour.completed),
                "failed" => value.saturating_add(hour.failed),
                _ => hour.oldest.max(*value),
            };
        }
    }
    points.into_iter().map(|(ts, value)| Point { ts, value }).collect()
}

fn percentiles(asked: &str) -> Vec<f64> {
    let numbers = asked.split(',').filter_map(|text| text.trim().parse().ok());
    let wanted: Vec<f64> = numbers.filter(|number| (0.0..=100.0).contains(number)).take(20).collect();
    if wanted.is_empty() { DEFAULT_PERCENTILES.to_vec() } else { wanted }
}

impl Stretch {
    fn new(from: f64, to: f64, granularity: Option<&str>) -> Result<Self, BoardError> {
        if !from.is_finite() || !to.is_finite() || to < from {
            return Err(BoardError::bad("to must not be before from"));
        }
        let step = match granularity {
            None | Some("day") => DAY,
            Some("hour") => HOUR,
            Some("range") => i64::MAX,
            Some(_) => return Err(BoardError::bad("granularity must be hour, day or range")),
        };
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and the far future has no points")]
        let (from, to) = (from as i64, to as i64);
        Ok(Self { from, to, step })
    }

    /// Whether all of it is one point.
    fn is_whole(self) -> bool {
        self.step == i64::MAX
    }

    /// The beginning of the point that this moment is in.
    fn place_of(self, at: i64) -> i64 {
        if self.is_whole() { self.from } else { start_of(at, self.step) }
    }

    fn hours_of(self, record: &LaneRecord) -> impl Iterator<Item = &Bucket> {
        record.hours.iter().filter(move |hour| (start_of(self.from, HOUR)..=self.to).contains(&hour.at))
    }
}

/// Buckets and bytes of minutes and hours, and the days they are of.
#[derive(Debug, Default)]
struct Usage {
    minutes: (usize, usize),
    hours: (usize, usize),
    days: BTreeSet<i64>,
}

impl Usage {
    fn of(record: &LaneRecord) -> Self {
        let weigh = |buckets: &VecDeque<Bucket>| (buckets.len(), buckets.iter().map(Bucket::bytes).sum());
        let days = record.hours.iter().map(|hour| start_of(hour.at, DAY)).collect();
        Self { minutes: weigh(&record.minutes), hours: weigh(&record.hours), days }
    }

    fn add(&mut self, other: &Self) {
        for (sum, one) in [(&mut self.minutes, other.minutes), (&mut self.hours, other.hours)] {
            *sum = (sum.0 + one.0, sum.1 + one.1);
        }
        self.days.extend(&other.days);
    }

    fn keys(&self) -> usize {
        self.minutes.0 + self.hours.0
    }

    fn bytes(&self) -> usize {
        self.minutes.1 + self.hours.1
    }

    /// Days are made from hours when somebody asks.
    fn tiers(&self) -> Value {
        let tier = |(keys, bytes): (usize, usize)| json!({ "keys": keys, "bytes": bytes });
        json!({ "minute": tier(self.minutes), "hour": tier(self.hours), "day": tier((0, 0)) })
    }
}

/// A day as it is written: 2030-01-31.
fn day_of(at: i64) -> String {
    Timestamp::from_millis(at).to_rfc3339().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_cut_to_hours_days_or_left_whole() {
        let at = 1_700_000_000_000;
        let stretch = |granularity| Stretch::new(0.0, 2e12, granularity).unwrap();
        assert_eq!(stretch(Some("hour")).place_of(at) % HOUR, 0);
        assert_eq!(stretch(None).place_of(at), stretch(Some("day")).place_of(at));
        assert_eq!(day_of(stretch(None).place_of(at)), "2023-11-14");
        assert_eq!(stretch(Some("range")).place_of(at), 0);
        assert!(Stretch::new(2.0, 1.0, None).is_err() && Stretch::new(f64::NAN, 1.0, None).is_err());
        assert!(Stretch::new(0.0, 1.0, Some("year")).is_err());
    }

    #[test]
    fn points_are_there_since_a_lane_was_heard_of_and_not_beyond_now() {
        let now = 1_700_000_000_000;
        let record = LaneRecord::new(now - 3 * HOUR);
        let stretch = Stretch::new(0.0, 1e18, Some("hour")).unwrap();
        let found = points(&[record], stretch, "completed", now);
        assert_eq!(
            found.iter().map(|point| point.ts).collect::<Vec<_>>(),
            [3, 2, 1, 0].map(|n| start_of(now - n * HOUR, HOUR))
        );
        assert!(points(&[LaneRecord::new(0)], stretch, "completed", now).len() <= 90 * 24 + 1);
        assert!(points(&[], stretch, "completed", now).is_empty());
    }

    #[test]
    fn percentiles_that_are_none_are_left_out() {
        assert_eq!(percentiles("50, 99.9,x,101"), [50.0, 99.9]);
        assert_eq!(percentiles(""), DEFAULT_PERCENTILES);
    }
}
