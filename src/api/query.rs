//! Parameters of queries.

use std::time::Duration;

use super::ApiError;
use crate::task::ErrorCode;

/// Reads a duration such as `30s`, `500ms` or `2m`; a plain number is seconds.
pub(super) fn duration(name: &str, text: &str) -> Result<Duration, ApiError> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis)) {
        Some(length) if millis > 0 => Ok(Duration::from_millis(length)),
        _ => Err(ApiError::new(ErrorCode::InvalidQuery, format!("{name} must be a duration such as 30s, 500ms or 2m"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_with_and_without_units() {
        assert_eq!(duration("wait", "30s").unwrap(), Duration::from_secs(30));
        assert_eq!(duration("wait", "30").unwrap(), Duration::from_secs(30));
        assert_eq!(duration("wait", "500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("wait", "2m").unwrap(), Duration::from_mins(2));
        for bad in ["", "s", "1h", "-1s", "1.5s", "99999999999999999999s", "18446744073709551615m"] {
            assert!(duration("wait", bad).is_err(), "{bad}");
        }
    }
}
