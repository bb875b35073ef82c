//! Slows down whoever guesses keys.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Wrong keys of one address that cost nothing: people mistype.
const FREE: u32 = 3;
/// The longest delay after one more.
const MAX_DELAY: Duration = Duration::from_mins(1);
/// After that long without a wrong key an address is as if it had never given one.
const FORGOTTEN: Duration = Duration::from_mins(15);
/// Addresses that are remembered; the one that failed longest ago makes room.
const MAX_ADDRESSES: usize = 4_096;
/// Wrong keys of all addresses together, within about a minute, from which on strangers get one try a second.
const MANY: f64 = 60.0;
const STRANGERS_DELAY: Duration = Duration::from_secs(1);
const DECAY: Duration = Duration::from_mins(1);

/// Slows down whoever guesses keys: by address, with a delay that doubles with each wrong key, and all strangers together once there
/// are many. An address that has logged in before is no stranger.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    addresses: HashMap<IpAddr, Record>,
    /// Wrong keys of late, fading.
    failures: f64,
    failed_at: Option<Instant>,
}

#[derive(Debug)]
struct Record {
    failures: u32,
    trusted: bool,
    last: Instant,
    next: Instant,
}

impl Throttle {
    /// One try from that address. `Err` is how long to wait for the next: `right` was not even looked at.
    pub(super) fn attempt<T>(&self, address: IpAddr, right: impl FnOnce() -> Option<T>) -> Result<Option<T>, Duration> {
        let (address, now) = (network(address), Instant::now());
        // Under one lock, so that tries at once do not pass for one.
        let mut table = self.0.lock();
        let record = table.addresses.get(&address).filter(|record| now - record.last < FORGOTTEN || record.trusted);
        let trusted = record.is_some_and(|record| record.trusted);
        if let Some(wait) =
            record.map(|record| record.next.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
        {
            return Err(wait);
        }
        if !trusted && table.failures_at(now) > MANY {
            let since = table.failed_at.map_or(STRANGERS_DELAY, |at| now - at);
            if let Some(wait) = STRANGERS_DELAY.checked_sub(since).filter(|wait| !wait.is_zero()) {
                return Err(wait);
            }
        }
        let found = right();
        table.note(address, found.is_some(), now);
        Ok(found)
    }
}

impl Table {
    fn failures_at(&self, now: Instant) -> f64 {
        self.failed_at.map_or(0.0, |at| self.failures * (-(now - at).as_secs_f64() / DECAY.as_secs_f64()).exp())
    }

    fn note(&mut self, address: IpAddr, right: bool, now: Instant) {
        if !right {
            self.failures = self.failures_at(now) + 1.0;
            self.failed_at = Some(now);
        }
        if self.addresses.len() == MAX_ADDRESSES && !self.addresses.contains_key(&address) {
            let oldest = self.addresses.iter().min_by_key(|(_, record)| record.last).map(|(address, _)| *address);
            oldest.map(|oldest| self.addresses.remove(&oldest));
        }
        let fresh = || Record { failures: 0, trusted: false, last: now, next: now };
        let record = self.addresses.entry(address).or_insert_with(fresh);
        if right || now - record.last >= FORGOTTEN {
            record.failures = 0;
        }
        record.last = now;
        record.trusted |= right;
        if !right {
            record.failures += 1;
            record.next = now + delay(record.failures);
        }
    }
}

fn delay(failures: u32) -> Duration {
    let doublings = failures.checked_sub(FREE + 1);
    doublings.map_or(Duration::ZERO, |doublings| Duration::from_secs(1 << doublings.min(6)).min(MAX_DELAY))
}

/// Who has one IPv6 address has its whole network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(throttle: &Throttle, address: IpAddr) -> Result<Option<()>, Duration> {
        throttle.attempt(address, || None)
    }

    fn right(throttle: &Throttle, address: IpAddr) -> bool {
        throttle.attempt(address, || Some(())) == Ok(Some(()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_doubles_with_each_wrong_key_and_the_right_one_is_not_looked_at_meanwhile() {
        let (throttle, address) = (Throttle::default(), IpAddr::from([10, 0, 0, 1]));
        for _ in 0..=FREE {
            assert_eq!(wrong(&throttle, address), Ok(None));
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(wrong(&throttle, address), Err(Duration::from_secs(seconds)));
            assert!(!right(&throttle, address));
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert_eq!(wrong(&throttle, address), Ok(None), "after {seconds} s");
        }
        assert!(right(&throttle, IpAddr::from([10, 0, 0, 2])), "another address has nothing to do with it");
        tokio::time::advance(FORGOTTEN).await;
        assert!(right(&throttle, address));
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_together_are_slowed_down_but_not_who_has_logged_in_before() {
        let (throttle, known) = (Throttle::default(), IpAddr::from([10, 9, 9, 9]));
        assert!(right(&throttle, known));
        let stranger = |n: u32| IpAddr::from((0x0b00_0000_u32 + n).to_be_bytes());
        let refused = (0..200).filter(|n| wrong(&throttle, stranger(*n)).is_err()).count();
        assert!(refused > 100, "{refused}");
        assert!(right(&throttle, known));
        assert!(!right(&throttle, stranger(1_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..3 * u32::try_from(MAX_ADDRESSES).unwrap() {
            let _ = wrong(&throttle, IpAddr::from(n.to_be_bytes()));
            tokio::time::advance(STRANGERS_DELAY).await;
        }
        assert_eq!(throttle.0.lock().addresses.len(), MAX_ADDRESSES);
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let (one, other): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2:3".parse().unwrap());
        assert_eq!(network(one), network(other));
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), IpAddr::from([10, 0, 0, 1]));
    }
}
