//! How long a task waits before its next attempt.

use std::time::Duration;

/// Exponential backoff with full jitter: a uniform choice between nothing and `base * 2^(attempt - 1)`, at most `cap`. Full jitter
/// spreads the retries of tasks that failed together best (M. Brooker, "Exponential Backoff and Jitter", AWS, 2015). A worker's
/// `Retry-After` is a lower bound, at most `cap`.
pub(super) fn backoff(
    attempt: u32,
    base: Duration,
    cap: Duration,
    retry_after: Option<Duration>,
    chance: f64,
) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let ceiling = base.saturating_mul(1 << doublings).min(cap);
    let jittered = ceiling.mul_f64(chance.clamp(0.0, 1.0));
    retry_after.map_or(jittered, |wait| wait.max(jittered).min(cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(500);
    const CAP: Duration = Duration::from_secs(30);

    #[test]
    fn doubles_up_to_the_cap() {
        let worst: Vec<u128> = (1..9).map(|n| backoff(n, BASE, CAP, None, 1.0).as_millis()).collect();
        assert_eq!(worst, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff(u32::MAX, BASE, CAP, None, 1.0), CAP);
    }

    #[test]
    fn jitter_reaches_down_to_nothing() {
        assert_eq!(backoff(5, BASE, CAP, None, 0.0), Duration::ZERO);
    }

    #[test]
    fn a_worker_may_ask_for_more_but_not_for_ever() {
        let asked = Duration::from_secs(7);
        assert_eq!(backoff(1, BASE, CAP, Some(asked), 0.5), asked);
        assert_eq!(backoff(1, BASE, CAP, Some(Duration::from_secs(9_999)), 0.5), CAP);
    }
}
