//! The figures of the last day, in three resolutions.

use std::collections::VecDeque;

use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};

use crate::task::Timestamp;

/// How things stood at one moment, and what happened since the moment before. Serializes to a list of numbers in the order of the
/// fields: [`Sample::NAMES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::dashboard) struct Sample {
    pub(in crate::dashboard) at: Timestamp,
    /// Tasks that ended well, a second.
    pub(in crate::dashboard) completed: f64,
    /// Tasks that finally failed, a second.
    pub(in crate::dashboard) failed: f64,
    /// Runs that did not end well, a second.
    pub(in crate::dashboard) bad_attempts: f64,
    /// Runs that ended, a second.
    pub(in crate::dashboard) attempts: f64,
    /// Tasks accepted, a second.
    pub(in crate::dashboard) submitted: f64,
    /// Tasks that wait and may run.
    pub(in crate::dashboard) queued: u64,
    /// Tasks whose time has not come.
    pub(in crate::dashboard) delayed: u64,
    pub(in crate::dashboard) running: u64,
    pub(in crate::dashboard) used: u64,
    pub(in crate::dashboard) limit: u64,
    /// Times in milliseconds within which so many percent of the tasks ended; `None` if none did.
    pub(in crate::dashboard) percentiles: Option<[f64; 3]>,
}

impl Sample {
    /// What the numbers are, in their order.
    pub(in crate::dashboard) const NAMES: [&'static str; 14] = [
        "at",
        "completed",
        "failed",
        "badAttempts",
        "attempts",
        "submitted",
        "queued",
        "delayed",
        "running",
        "used",
        "limit",
        "p50",
        "p95",
        "p99",
    ];
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Two digits are what a chart shows.
        let short = |number: f64| (number * 100.0).round() / 100.0;
        let mut numbers = serializer.serialize_tuple(Self::NAMES.len())?;
        numbers.serialize_element(&self.at.as_millis())?;
        for rate in [self.completed, self.failed, self.bad_attempts, self.attempts, self.submitted] {
            numbers.serialize_element(&short(rate))?;
        }
        for count in [self.queued, self.delayed, self.running, self.used, self.limit] {
            numbers.serialize_element(&count)?;
        }
        for time in self.percentiles.map_or([None; 3], |times| times.map(Some)) {
            numbers.serialize_element(&time.map(short))?;
        }
        numbers.end()
    }
}

/// How far back, and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) enum Range {
    /// 5 minutes, second by second.
    Minutes,
    /// An hour, in steps of 10 seconds.
    Hour,
    /// A day, in steps of 2 minutes.
    Day,
}

impl Range {
    pub(in crate::dashboard) const ALL: [Self; 3] = [Self::Minutes, Self::Hour, Self::Day];

    /// The word in addresses.
    pub(in crate::dashboard) const fn word(self) -> &'static str {
        match self {
            Self::Minutes => "5m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    pub(in crate::dashboard) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.word() == word)
    }

    /// Seconds from one sample to the next.
    pub(in crate::dashboard) const fn step(self) -> u64 {
        match self {
            Self::Minutes => 1,
            Self::Hour => 10,
            Self::Day => 120,
        }
    }

    /// Samples that are kept.
    const fn kept(self) -> usize {
        match self {
            Self::Minutes => 300,
            Self::Hour => 360,
            Self::Day => 720,
        }
    }
}

/// The figures of the last day: 1,380 samples of 120 bytes, about 160 KB, whatever happens.
#[derive(Debug, Default)]
pub(in crate::dashboard) struct History([VecDeque<Sample>; 3]);

impl History {
    pub(super) fn push(&mut self, range: Range, sample: Sample) {
        let samples = &mut self.0[range as usize];
        if samples.len() == range.kept() {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// The samples, oldest first.
    pub(in crate::dashboard) fn samples(&self, range: Range) -> impl DoubleEndedIterator<Item = &Sample> {
        self.0[range as usize].iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: i64) -> Sample {
        Sample {
            at: Timestamp::from_millis(at),
            completed: 1.0 / 3.0,
            failed: 0.0,
            bad_attempts: 0.0,
            attempts: 1.0,
            submitted: 2.0,
            queued: 3,
            delayed: 4,
            running: 5,
            used: 6,
            limit: 7,
            percentiles: None,
        }
    }

    #[test]
    fn keeps_so_many_and_forgets_the_oldest() {
        let mut history = History::default();
        for at in 0..1_000 {
            for range in Range::ALL {
                history.push(range, sample(at));
            }
        }
        for range in Range::ALL {
            let times: Vec<i64> = history.samples(range).map(|sample| sample.at.as_millis()).collect();
            assert_eq!((times.len(), times.last()), (range.kept(), Some(&999)));
            assert!(times.is_sorted());
        }
        assert!(size_of::<Sample>() <= 128);
    }

    #[test]
    fn a_sample_is_a_list_of_numbers_as_named() {
        let text = serde_json::to_value(sample(9)).unwrap();
        assert_eq!(text, serde_json::json!([9, 0.33, 0.0, 0.0, 1.0, 2.0, 3, 4, 5, 6, 7, null, null, null]));
        assert_eq!(text.as_array().unwrap().len(), Sample::NAMES.len());
    }
}
