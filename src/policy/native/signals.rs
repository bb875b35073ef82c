//! How the native policies read signals that may hold anything.

/// What a failed attempt costs at least, in milliseconds of latency.
const FAILURE_COST_MS: f64 = 5_000.0;
/// What a failed attempt costs at least, in usual latencies: where answers take minutes, five seconds are no punishment.
const FAILURE_COST_LATENCIES: f64 = 10.0;

/// The latency average, if one is known.
pub(super) fn latency_ms(signal: f32) -> Option<f64> {
    (signal.is_finite() && signal > 0.0).then(|| f64::from(signal))
}

/// The weight in millionths, a whole number, so that products with a weight like 0.1 stay exact. A negative weight is 0, one
/// that is no finite number 1.
pub(super) fn weight_millionths(signal: f32) -> f64 {
    let weight = if signal.is_finite() { f64::from(signal) } else { 1.0 };
    (weight.max(0.0) * 1e6).round()
}

/// The latency to expect of a worker, failures punished: `latency_ms + failure_rate² × max(5 s, 10 × usual_ms)`.
///
/// The square lets an isolated failure weigh little and a run of them much.
pub(super) fn expected_ms(latency_ms: f64, failure_rate: f32, usual_ms: f64) -> f64 {
    let rate = if failure_rate.is_nan() { 0.0 } else { f64::from(failure_rate.clamp(0.0, 1.0)) };
    latency_ms + rate * rate * FAILURE_COST_MS.max(FAILURE_COST_LATENCIES * usual_ms)
}

/// A whole number that sorts like `value`, which must not be negative or NaN.
pub(super) fn sort_key(value: f64) -> u64 {
    value.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_weighs_little_and_a_run_of_them_much() {
        let extra = |rate| expected_ms(100.0, rate, 100.0) - 100.0;
        assert!((199.0..201.0).contains(&extra(0.2)), "{}", extra(0.2));
        assert!((4_999.0..5_001.0).contains(&extra(1.0)), "{}", extra(1.0));
    }

    #[test]
    fn where_answers_take_minutes_failures_cost_more_than_seconds() {
        assert!(expected_ms(100.0, 1.0, 60_000.0) > 600_000.0);
    }

    #[test]
    fn signals_that_are_no_number_count_as_unknown_and_harmless() {
        for none in [f32::NAN, f32::INFINITY, -1.0, 0.0] {
            assert_eq!(latency_ms(none), None);
        }
        assert!((expected_ms(7.0, f32::NAN, 7.0) - 7.0).abs() < 1e-9);
        assert!((weight_millionths(f32::NAN) - 1e6).abs() < 1e-9);
        assert!(weight_millionths(-3.0).abs() < 1e-9);
    }
}
