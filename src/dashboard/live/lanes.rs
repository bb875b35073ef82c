//! What ended in each lane, by the minute and by the hour.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::task::{LaneKey, Timestamp};
use crate::telemetry::{COUNTED_LANES, LaneTotals, LatencyCounts};

pub(in crate::dashboard) const MINUTE: i64 = 60_000;
pub(in crate::dashboard) const HOUR: i64 = 60 * MINUTE;
/// Minutes that are kept: a day.
const MINUTES: usize = 24 * 60;
/// Hours that are kept: 90 days.
const HOURS: usize = 90 * 24;
/// Hours of which it is kept how long tasks took. Those weigh more.
const TIMED: usize = 48;

/// A stretch of time in which something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::dashboard) struct Bucket {
    /// Its beginning, in milliseconds since the epoch.
    pub(in crate::dashboard) at: i64,
    pub(in crate::dashboard) completed: u32,
    pub(in crate::dashboard) failed: u32,
    /// The longest that a task had waited when it was looked at, in milliseconds.
    pub(in crate::dashboard) oldest: u32,
    waits: Box<[(u8, u32)]>,
    runs: Box<[(u8, u32)]>,
}

/// What of a task is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) enum Timed {
    /// Its wait for the first delivery.
    Wait,
    /// Its last run.
    Run,
}

/// One lane. Of what did not happen nothing is kept.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct LaneRecord {
    /// The minute in which it was first heard of.
    pub(in crate::dashboard) began: i64,
    /// What was counted until the last minute ended.
    pub(in crate::dashboard) totals: LaneTotals,
    pub(in crate::dashboard) minutes: VecDeque<Bucket>,
    pub(in crate::dashboard) hours: VecDeque<Bucket>,
}

/// The lanes that are counted, each with at most a day of minutes and 90 days of hours: about 100 KB if something happens in every one of
/// them.
#[derive(Debug, Default)]
pub(in crate::dashboard) struct LaneHistory {
    pub(in crate::dashboard) lanes: HashMap<LaneKey, LaneRecord>,
    /// The minute that is not over yet.
    pub(in crate::dashboard) minute: i64,
}

impl LaneHistory {
    /// Minutes are noted from that moment on.
    pub(super) fn begin(&mut self, now: Timestamp) {
        self.minute = start_of(now.as_millis(), MINUTE);
    }

    /// Whether a minute is over that was not noted.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        start_of(now.as_millis(), MINUTE) != self.minute
    }

    /// Notes the minute that is over: what was counted until now, and how long the oldest task of a lane has waited. Says which
    /// lanes have been silent for so long that nothing is kept of them, or, if there is no room for others, which one for longest.
    pub(super) fn note(
        &mut self,
        now: Timestamp,
        counted: Vec<(LaneKey, LaneTotals)>,
        oldest: &HashMap<LaneKey, Duration>,
    ) -> Vec<LaneKey> {
        let (over, next) = (self.minute, start_of(now.as_millis(), MINUTE));
        self.minute = next;
        let (mut silent, is_full) = (Vec::new(), counted.len() >= COUNTED_LANES);
        for (lane, totals) in counted {
            let record = self.lanes.entry(lane.clone()).or_insert_with(|| LaneRecord::new(over));
            let oldest = oldest.get(&lane).map_or(0, |age| u32::try_from(age.as_millis()).unwrap_or(u32::MAX));
            record.note(over, totals, oldest);
            record.forget(next);
            if record.hours.is_empty() && next - record.began > HOUR {
                silent.push(lane);
            }
        }
        if is_full && silent.is_empty() {
            let since = |record: &LaneRecord| record.hours.back().map_or(record.began, |hour| hour.at);
            let longest = self.lanes.iter().min_by_key(|(_, record)| since(record));
            silent.extend(longest.filter(|(_, record)| since(record) < next - 2 * HOUR).map(|(lane, _)| lane.clone()));
        }
        self.lanes.retain(|lane, _| !silent.contains(lane));
        silent
    }

    /// Forgets what happened before that, in that lane or in all of them. Gives the lanes and the stretches that are gone.
    pub(in crate::dashboard) fn purge(&mut self, lane: Option<&LaneKey>, before: i64) -> (usize, usize) {
        let (mut lanes, mut buckets) = (0, 0);
        for (_, record) in self.lanes.iter_mut().filter(|(key, _)| lane.is_none_or(|lane| lane == *key)) {
            let kept = record.minutes.len() + record.hours.len();
            record.minutes.retain(|minute| minute.at >= before);
            record.hours.retain(|hour| hour.at >= before);
            record.began = record.began.max(before.min(self.minute));
            let gone = kept - record.minutes.len() - record.hours.len();
            buckets += gone;
            lanes += usize::from(gone > 0 && record.minutes.is_empty() && record.hours.is_empty());
        }
        (lanes, buckets)
    }
}

impl LaneRecord {
    pub(in crate::dashboard) fn new(began: i64) -> Self {
        Self { began, totals: LaneTotals::default(), minutes: VecDeque::new(), hours: VecDeque::new() }
    }

    fn note(&mut self, minute: i64, totals: LaneTotals, oldest: u32) {
        let new = totals.since(&self.totals);
        self.totals = totals;
        let bucket = Bucket::of(minute, &new, oldest);
        if !bucket.is_empty() {
            put(&mut self.hours, Bucket { at: start_of(minute, HOUR), ..bucket.clone() });
            put(&mut self.minutes, Bucket { waits: Box::default(), runs: Box::default(), ..bucket });
        }
    }

    fn forget(&mut self, now: i64) {
        let reach = |count: usize, length: i64| now - i64::try_from(count).unwrap_or(0) * length;
        while self.minutes.front().is_some_and(|minute| minute.at < reach(MINUTES, MINUTE)) {
            self.minutes.pop_front();
        }
        while self.hours.front().is_some_and(|hour| hour.at < reach(HOURS, HOUR)) {
            self.hours.pop_front();
        }
        let timed = reach(TIMED, HOUR);
        for hour in self.hours.iter_mut().take_while(|hour| hour.at < timed) {
            (hour.waits, hour.runs) = Default::default();
        }
    }

    /// The same with what has come since the last minute ended.
    pub(in crate::dashboard) fn until_now(&self, minute: i64, totals: &LaneTotals) -> Self {
        let mut record = self.clone();
        record.note(minute, totals.clone(), 0);
        record
    }

    /// The minutes that are over and kept, the latest first: completed and failed in each.
    pub(in crate::dashboard) fn by_minute(&self, minute: i64) -> Vec<[u32; 2]> {
        let kept = usize::try_from((minute - self.began) / MINUTE).unwrap_or(0).min(MINUTES);
        let mut points = vec![[0; 2]; kept];
        for bucket in &self.minutes {
            let back = usize::try_from((minute - bucket.at) / MINUTE - 1).ok();
            if let Some(point) = back.and_then(|back| points.get_mut(back)) {
                *point = [bucket.completed, bucket.failed];
            }
        }
        points
    }
}

impl Bucket {
    fn of(at: i64, new: &LaneTotals, oldest: u32) -> Self {
        let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let (waits, runs) = (new.waits.buckets(), new.runs.buckets());
        Self { at, completed: number(new.completed), failed: number(new.failed), oldest, waits, runs }
    }

    fn is_empty(&self) -> bool {
        self.completed == 0 && self.failed == 0 && self.oldest == 0 && self.waits.is_empty()
    }

    fn add(&mut self, other: &Self) {
        self.completed = self.completed.saturating_add(other.completed);
        self.failed = self.failed.saturating_add(other.failed);
        self.oldest = self.oldest.max(other.oldest);
        for timed in [Timed::Wait, Timed::Run] {
            let mut sum = self.times(timed);
            sum.add(&other.times(timed));
            match timed {
                Timed::Wait => self.waits = sum.buckets(),
                Timed::Run => self.runs = sum.buckets(),
            }
        }
    }

    pub(in crate::dashboard) fn times(&self, timed: Timed) -> LatencyCounts {
        LatencyCounts::of_buckets(match timed {
            Timed::Wait => &self.waits,
            Timed::Run => &self.runs,
        })
    }

    /// What it takes up, about.
    pub(in crate::dashboard) fn bytes(&self) -> usize {
        size_of::<Self>() + (self.waits.len() + self.runs.len()) * size_of::<(u8, u32)>()
    }
}

/// Adds to the last bucket, or begins the next.
fn put(buckets: &mut VecDeque<Bucket>, new: Bucket) {
    match buckets.back_mut().filter(|last| last.at == new.at) {
        Some(last) => last.add(&new),
        None => buckets.push_back(new),
    }
}

/// The beginning of the stretch of that length that has that moment.
pub(in crate::dashboard) fn start_of(millis: i64, length: i64) -> i64 {
    millis.div_euclid(length) * length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Contract;

    fn lane() -> LaneKey {
        LaneKey::new("g", Contract::new(1.0).unwrap())
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(HOUR * 500 + minute * MINUTE + 7)
    }

    fn begun() -> LaneHistory {
        let mut history = LaneHistory::default();
        history.begin(at(0));
        history
    }

    fn counted(completed: u64, failed: u64) -> Vec<(LaneKey, LaneTotals)> {
        let mut runs = LatencyCounts::default();
        runs.add(&LatencyCounts::of_buckets(&[(3, u32::try_from(completed).unwrap())]));
        vec![(lane(), LaneTotals { completed, failed, runs, ..LaneTotals::default() })]
    }

    #[test]
    fn each_minute_has_its_own_and_hours_add_them_up() {
        let mut history = begun();
        assert!(!history.is_due(at(0)) && history.is_due(at(1)));
        history.note(at(1), counted(5, 1), &HashMap::new());
        history.note(at(2), counted(5, 1), &HashMap::from([(lane(), Duration::from_secs(9))]));
        history.note(at(3), counted(7, 1), &HashMap::new());
        let record = &history.lanes[&lane()];
        assert_eq!(record.by_minute(history.minute), [[2, 0], [0, 0], [5, 1]]);
        let [hour] = record.hours.iter().collect::<Vec<_>>()[..] else { panic!("{record:?}") };
        assert_eq!((hour.at, hour.completed, hour.failed, hour.oldest), (HOUR * 500, 7, 1, 9_000));
        assert_eq!(hour.times(Timed::Run).count(), 7);
        let now = record.until_now(history.minute, &counted(8, 1)[0].1);
        assert_eq!(now.hours[0].completed, 8);
    }

    #[test]
    fn no_more_is_kept_than_a_day_of_minutes_and_90_days_of_hours_and_silent_lanes_are_given_up() {
        let mut history = begun();
        for minute in 0..i64::try_from(MINUTES).unwrap() + 100 {
            history.note(at(minute), counted(u64::try_from(minute).unwrap(), 0), &HashMap::new());
        }
        let record = &history.lanes[&lane()];
        assert_eq!((record.minutes.len(), record.by_minute(history.minute).len()), (MINUTES, MINUTES));
        let last = counted(u64::try_from(MINUTES).unwrap() + 99, 0);
        assert_eq!(history.note(at(60 * 1_000), last.clone(), &HashMap::new()), []);
        let record = &history.lanes[&lane()];
        assert_eq!(record.hours[0].times(Timed::Run).count(), 0);
        assert!(record.minutes.is_empty() && record.hours[0].completed > 0, "{record:?}");
        let late = i64::try_from(HOURS).unwrap() * 60 * 2;
        assert_eq!(history.note(at(late), last, &HashMap::new()), [lane()]);
        assert!(history.lanes.is_empty());
    }

    #[test]
    fn where_there_is_no_room_for_others_the_lane_that_was_silent_for_longest_is_given_up() {
        let key = |n: usize| LaneKey::new(format!("g{n}"), Contract::new(1.0).unwrap());
        let all = |busy: u64| -> Vec<_> {
            let totals = |n: usize| LaneTotals { completed: if n == 7 { 1 } else { busy }, ..LaneTotals::default() };
            (0..COUNTED_LANES).map(|n| (key(n), totals(n))).collect()
        };
        let mut history = begun();
        assert_eq!(history.note(at(1), all(1), &HashMap::new()), []);
        assert_eq!(history.note(at(90), all(2), &HashMap::new()), []);
        assert_eq!(history.note(at(200), all(3), &HashMap::new()), [key(7)]);
        assert_eq!(history.lanes.len(), COUNTED_LANES - 1);
    }

    #[test]
    fn a_purge_forgets_what_was_before() {
        let mut history = begun();
        history.note(at(60), counted(2, 0), &HashMap::new());
        history.note(at(61), counted(3, 0), &HashMap::new());
        let middle = at(30).as_millis();
        assert_eq!(history.purge(None, middle), (0, 2));
        assert_eq!(history.purge(Some(&lane()), i64::MAX), (1, 2));
        assert_eq!(history.purge(None, i64::MAX), (0, 0));
    }
}
