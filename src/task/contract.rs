//! Contract versions.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// The version of a worker's contract: a JSON number, so `1.0` equals `1` (protocol, section 7).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct Contract(f64);

impl Contract {
    /// The contract of that number; `None` for NaN and infinities, which no JSON document holds.
    pub fn new(number: f64) -> Option<Self> {
        // Adding zero turns -0 into 0: equal contracts must hash alike.
        number.is_finite().then_some(Self(number + 0.0))
    }

    /// The contract as a number.
    pub const fn as_f64(self) -> f64 {
        self.0
    }
}

impl PartialEq for Contract {
    fn eq(&self, other: &Self) -> bool {
        self.0.total_cmp(&other.0).is_eq()
    }
}

impl Eq for Contract {}

impl PartialOrd for Contract {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Contract {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Contract {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Contract {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole numbers are written as they were sent: 1, not 1.0.
        #[expect(clippy::cast_possible_truncation, reason = "the bounds keep it exact")]
        if self.0.fract() == 0.0 && self.0.abs() < 9_007_199_254_740_992.0 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// The text is not a contract number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a contract number")]
pub struct InvalidContract;

impl FromStr for Contract {
    type Err = InvalidContract;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or(InvalidContract)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_one_point_zero_are_the_same_contract() {
        assert_eq!("1".parse::<Contract>(), "1.0".parse());
        assert_eq!("-0".parse::<Contract>(), "0".parse());
        assert_eq!(Contract::new(1.0).unwrap().to_string(), "1");
        assert_eq!(serde_json::to_string(&Contract::new(1.0)).unwrap(), "1");
        assert_eq!(serde_json::to_string(&Contract::new(1.5)).unwrap(), "1.5");
    }

    #[test]
    fn what_is_no_number_is_no_contract() {
        assert!("x".parse::<Contract>().is_err());
        assert!("NaN".parse::<Contract>().is_err());
        assert!("inf".parse::<Contract>().is_err());
    }
}
