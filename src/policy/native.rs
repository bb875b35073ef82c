//! The policies that come with the balancer. They see exactly the signals every policy sees.

mod andera_score;
mod best_rows;
mod least_loaded;
mod peak_ewma;
mod round_robin;
mod signals;

use std::sync::Arc;

use self::andera_score::AnderaScore;
use self::least_loaded::LeastLoaded;
use self::peak_ewma::PeakEwma;
use self::round_robin::RoundRobin;
use super::Policy;

/// The names of the native policies, the default first.
pub const NATIVE_NAMES: [&str; 4] = ["least-loaded", "peak-ewma", "round-robin", "andera-score"];

/// The most rows a native policy names: enough to find another worker when the first ones have just filled up.
const MAX_ROWS: usize = 8;

/// How many workers, drawn by chance, are enough to choose from: the best of 64 is among the best twentieth of all in 96 of 100
/// draws, and where many are alike, as good as the best.
const SAMPLE: usize = 64;

/// There is no native policy of that name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no native policy is named {name:?}; there are {}", NATIVE_NAMES.join(", "))]
pub struct UnknownNativePolicy {
    /// The name asked for.
    pub name: String,
}

/// The native policy of that name, in its starting state. Each answers with at most eight rows, and never with *wait* while
/// there is a candidate.
///
/// - `least-loaded`: the lowest `(used + 1) / slots / weight`; among equals the lowest expected latency; then by chance.
/// - `peak-ewma`: of two random workers the one with the lower `expected latency × (in_flight + 1) / weight`.
/// - `round-robin`: in each lane the workers in turn, by their number.
/// - `andera-score`: the highest `(slots − used) × 10 − cpu × 5 − memory × 5`, the first row among equals.
///
/// Expected latency means the same to both that use it: the latency average plus
/// `failure_rate² × max(5 s, 10 × usual latency)`, so that a worker which fails fast does not look fast, and one isolated
/// failure weighs little.
///
/// The first two are content with a draw of 64 workers where more than 128 have room: what a decision costs does not grow with the
/// fleet, and balancers that see the same figures do not all run to the same worker.
pub fn native(name: &str) -> Result<Arc<dyn Policy>, UnknownNativePolicy> {
    Ok(match name {
        LeastLoaded::NAME => Arc::new(LeastLoaded),
        PeakEwma::NAME => Arc::new(PeakEwma),
        RoundRobin::NAME => Arc::new(RoundRobin::default()),
        AnderaScore::NAME => Arc::new(AnderaScore),
        _ => return Err(UnknownNativePolicy { name: name.to_owned() }),
    })
}

/// The native policy that stands in where another one fails.
pub(super) fn default_native() -> Arc<dyn Policy> {
    Arc::new(LeastLoaded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::policy_conformance;

    policy_conformance!(least_loaded, || native("least-loaded").unwrap());
    policy_conformance!(peak_ewma, || native("peak-ewma").unwrap());
    policy_conformance!(round_robin, || native("round-robin").unwrap());
    policy_conformance!(andera_score, || native("andera-score").unwrap());

    #[test]
    fn every_listed_name_gives_the_policy_of_that_name() {
        for name in NATIVE_NAMES {
            assert_eq!(native(name).unwrap().name(), name);
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_names_there_are() {
        let error = native("least-loded").err().unwrap().to_string();
        assert!(error.contains("least-loded") && error.contains("least-loaded, peak-ewma"), "{error}");
    }
}
