//! Wall-clock time, simulated time included.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize, Serializer};

/// A moment in milliseconds since the Unix epoch. Shown as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The moment `duration` later; the far future saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds, as in every answer of the API.
    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| self.0.to_string(), |moment| format!("{moment:.3}"))
    }

    /// Reads RFC 3339.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

/// Where the time of day comes from. A simulated clock follows tokio's (pausable) time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Simulated { epoch: Timestamp, started: tokio::time::Instant },
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows `epoch` now and advances with tokio's time.
    pub fn simulated(epoch: Timestamp) -> Self {
        Self(Source::Simulated { epoch, started: tokio::time::Instant::now() })
    }

    /// What a simulated clock shows; `None` of the machine's.
    pub fn simulated_now(&self) -> Option<Timestamp> {
        matches!(self.0, Source::Simulated { .. }).then(|| self.now())
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(0).after(elapsed)
            }
            Source::Simulated { epoch, started } => epoch.after(started.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc3339_with_milliseconds_and_reads_it_back() {
        let moment = Timestamp::from_millis(1_700_000_000_120);
        assert_eq!(moment.to_rfc3339(), "2023-11-14T22:13:20.120Z");
        assert_eq!(Timestamp::from_rfc3339("2023-11-14T22:13:20.120Z"), Some(moment));
        assert_eq!(Timestamp::from_rfc3339("yesterday"), None);
    }

    #[test]
    fn differences_never_go_below_zero() {
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(i64::MAX).after(Duration::from_secs(1)).as_millis(), i64::MAX);
    }
}
