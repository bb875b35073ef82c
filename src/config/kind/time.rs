//! Lengths of time.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Kind;
use super::measure::{self, Unit};

/// The shortest length of time there is here.
pub(in crate::config) const MILLISECOND: Duration = Duration::from_millis(1);
/// A second.
pub(in crate::config) const SECOND: Duration = Duration::from_secs(1);
/// A minute.
pub(in crate::config) const MINUTE: Duration = Duration::from_mins(1);
/// An hour.
pub(in crate::config) const HOUR: Duration = Duration::from_hours(1);
/// A day.
pub(in crate::config) const DAY: Duration = Duration::from_hours(24);

const UNITS: [Unit; 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A length of time within a range: a number of milliseconds, or of the unit behind it.
pub(in crate::config) struct Time(pub(in crate::config) RangeInclusive<Duration>);

impl Kind<Duration> for Time {
    fn parse(&self, text: &str) -> Option<Duration> {
        measure::parse(text, &UNITS, 1).map(Duration::from_millis).filter(|time| self.0.contains(time))
    }

    fn accepted(&self) -> String {
        let show = |time: &Duration| measure::show(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), &UNITS);
        let (from, to) = (show(self.0.start()), show(self.0.end()));
        format!("a time from {from} to {to}, in milliseconds or with ms, s, m, h or d")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Duration> {
        Time(MILLISECOND..=30 * DAY).parse(text)
    }

    #[test]
    fn plain_numbers_are_milliseconds() {
        assert_eq!(parse("3000"), Some(Duration::from_secs(3)));
    }

    #[test]
    fn units_are_understood_in_any_case_with_or_without_a_space() {
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse("5M"), Some(Duration::from_mins(5)));
        assert_eq!(parse("24 h"), Some(DAY));
        assert_eq!(parse("7d"), Some(7 * DAY));
        assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_no_time_or_out_of_range_is_refused() {
        for refused in ["", "0", "0.5", "s", "-5s", "5w", "31d", "1h30m", "18446744073709551615d"] {
            assert_eq!(parse(refused), None, "{refused}");
        }
    }

    #[test]
    fn says_its_range_in_units() {
        assert!(Time(Duration::ZERO..=DAY).accepted().starts_with("a time from 0 to 1d"));
        assert!(Time(MILLISECOND..=2 * HOUR).accepted().starts_with("a time from 1ms to 2h"));
    }
}
