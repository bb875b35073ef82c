//! Task ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Timestamp;

/// The id of a task: a UUID version 7 (RFC 9562), so that ids sort by the time of submission.
///
/// The text form has hyphens and lower-case letters; `BullMQ` accepts it as a job id (no `:`, not an integer).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(Uuid);

/// The text is not a task id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a task id")]
pub struct InvalidTaskId;

impl TaskId {
    /// An id for a task submitted at `now`, told apart from its neighbours by `chance`.
    pub fn new(now: Timestamp, chance: u128) -> Self {
        let mut random = [0_u8; 10];
        random.copy_from_slice(&chance.to_be_bytes()[..10]);
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// When the task was submitted, to the millisecond.
    pub fn submitted_at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.as_u128() >> 80).unwrap_or(0))
    }

    /// The id of that number, as [`Self::as_u128`] gave it.
    pub const fn from_u128(number: u128) -> Self {
        Self(Uuid::from_u128(number))
    }

    /// The id as a number that keeps its order.
    pub const fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TaskId {
    type Err = InvalidTaskId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Other spellings of a UUID (braces, no hyphens, `urn:`) would give one task several addresses.
        if text.len() != uuid::fmt::Hyphenated::LENGTH {
            return Err(InvalidTaskId);
        }
        text.parse().map(Self).map_err(|_| InvalidTaskId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_submission_time() {
        let earlier = TaskId::new(Timestamp::from_millis(1_000), u128::MAX);
        let later = TaskId::new(Timestamp::from_millis(1_001), 0);
        assert!(earlier < later);
    }

    #[test]
    fn text_form_round_trips_and_other_spellings_are_refused() {
        let id = TaskId::new(Timestamp::from_millis(1_700_000_000_000), 42);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(format!("{{{id}}}").parse::<TaskId>(), Err(InvalidTaskId));
        assert_eq!(id.to_string().replace('-', "").parse::<TaskId>(), Err(InvalidTaskId));
        assert_eq!("7".parse::<TaskId>(), Err(InvalidTaskId));
    }
}
