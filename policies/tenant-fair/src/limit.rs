//! Token buckets.

use std::collections::HashMap;

use crate::config::Limit;

/// Buckets beyond this are looked through for full ones, which say nothing.
const MANY: usize = 50_000;

/// A bucket for each tenant that has submitted lately.
#[derive(Default)]
pub struct Buckets(HashMap<u64, Bucket>);

struct Bucket {
    tokens: f64,
    at_ms: u64,
    full_ms: u64,
}

impl Buckets {
    /// Takes a token; without one, says in how many milliseconds there will be one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "milliseconds"
    )]
    pub fn take(&mut self, tenant: u64, limit: Limit, now_ms: u64) -> Result<(), u32> {
        if self.0.len() >= MANY && !self.0.contains_key(&tenant) {
            self.0.retain(|_, bucket| bucket.full_ms > now_ms);
            // So many names within one refill are one client's invention: nobody's memory is worth more than the limit on it.
            if self.0.len() >= MANY {
                self.0.clear();
            }
        }
        let bucket = self.0.entry(tenant).or_insert(Bucket { tokens: limit.burst, at_ms: now_ms, full_ms: now_ms });
        let passed_ms = now_ms.saturating_sub(bucket.at_ms) as f64;
        bucket.tokens = (bucket.tokens + passed_ms * limit.per_second / 1000.0).min(limit.burst);
        bucket.at_ms = bucket.at_ms.max(now_ms);
        // A thousandth of a token is rounding.
        let taken = bucket.tokens >= 0.999;
        if taken {
            bucket.tokens -= 1.0;
        }
        let until = |tokens: f64| ((tokens - bucket.tokens) / limit.per_second * 1000.0 - 1e-6).ceil();
        bucket.full_ms = bucket.at_ms.saturating_add(until(limit.burst) as u64);
        if taken { Ok(()) } else { Err(until(1.0).max(1.0) as u32) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, MANY};
    use crate::config::Limit;

    const LIMIT: Limit = Limit { per_second: 10.0, burst: 3.0 };

    #[test]
    fn a_burst_passes_and_then_one_every_interval() {
        let mut buckets = Buckets::default();
        let taken: Vec<_> = [0, 0, 0, 0, 50, 99, 100, 100, 10_000, 10_000, 10_000, 10_000]
            .map(|now| buckets.take(1, LIMIT, now))
            .into();
        let (ok, wait) = (Ok(()), Err);
        assert_eq!(taken, [ok, ok, ok, wait(100), wait(50), wait(1), ok, wait(100), ok, ok, ok, wait(100)]);
        assert_eq!(buckets.take(2, LIMIT, 10_000), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_takes_nothing() {
        let mut buckets = Buckets::default();
        assert_eq!(
            [5_000, 4_000, 3_000, 2_000].map(|now| buckets.take(1, LIMIT, now)),
            [Ok(()), Ok(()), Ok(()), Err(100)]
        );
        assert_eq!(buckets.take(1, LIMIT, 5_100), Ok(()));
    }

    #[test]
    fn invented_tenants_do_not_fill_the_memory() {
        let mut buckets = Buckets::default();
        for tenant in 0..3 * MANY as u64 {
            assert_eq!(buckets.take(tenant, LIMIT, 0), Ok(()));
            assert!(buckets.0.len() <= MANY);
        }
    }
}
