//! When the waiting tasks of a lane fall due and expire.

use std::collections::BTreeSet;

use crate::task::Timestamp;

const SECOND: i64 = 1_000;

/// When the waiting tasks of a lane fall due, to the millisecond, and when they expire, to the next full second: every task has an
/// expiry, and in that form it takes half the room. Nobody is given a task that has expired meanwhile.
#[derive(Debug, Default)]
pub(super) struct Timers {
    delays: BTreeSet<(Timestamp, u32)>,
    expiries: BTreeSet<(u32, u32)>,
}

impl Timers {
    /// A task waits: until `due` if it is delayed, and until `expires_at` at most. Gives the first of both.
    pub(super) fn set(&mut self, slot: u32, due: Option<Timestamp>, expires_at: Timestamp) -> Timestamp {
        self.expiries.insert((second_after(expires_at), slot));
        self.delays.extend(due.map(|at| (at, slot)));
        let expiry = moment(second_after(expires_at));
        due.map_or(expiry, |at| at.min(expiry))
    }

    /// A task does not wait any more.
    pub(super) fn stop(&mut self, slot: u32, due: Option<Timestamp>, expires_at: Timestamp) {
        self.expiries.remove(&(second_after(expires_at), slot));
        if let Some(at) = due {
            self.delays.remove(&(at, slot));
        }
    }

    /// A task that was delayed until then is not any more.
    pub(super) fn is_not_delayed(&mut self, slot: u32, due: Timestamp) {
        self.delays.remove(&(due, slot));
    }

    /// The tasks whose delay is over, some of them.
    pub(super) fn delays_over(&self, now: Timestamp, most: usize) -> Vec<u32> {
        self.delays.range(..=(now, u32::MAX)).take(most).map(|(_, slot)| *slot).collect()
    }

    /// The tasks that have expired, some of them.
    pub(super) fn expired(&self, now: Timestamp, most: usize) -> Vec<u32> {
        let seconds = u32::try_from(now.as_millis() / SECOND).unwrap_or(u32::MAX);
        self.expiries.range(..=(seconds, u32::MAX)).take(most).map(|(_, slot)| *slot).collect()
    }

    /// The next moment at which there is something to do.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let due = self.delays.first().map(|(at, _)| *at);
        let expiry = self.expiries.first().map(|(second, _)| moment(*second));
        due.into_iter().chain(expiry).min()
    }
}

/// The first full second at which that moment has come. Seconds of 32 bits last until 2106.
fn second_after(moment: Timestamp) -> u32 {
    let seconds = moment.as_millis().max(0).saturating_add(SECOND - 1) / SECOND;
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn moment(second: u32) -> Timestamp {
    Timestamp::from_millis(i64::from(second) * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn delays_count_to_the_millisecond_and_expiries_to_the_second_after() {
        let mut timers = Timers::default();
        assert_eq!(timers.set(1, Some(at(1_500)), at(9_001)), at(1_500));
        assert_eq!(timers.set(2, None, at(3_000)), at(3_000));
        assert!(timers.delays_over(at(1_499), 9).is_empty());
        assert_eq!(timers.delays_over(at(1_500), 9), [1]);
        assert!(timers.expired(at(2_999), 9).is_empty());
        assert_eq!(timers.expired(at(3_000), 9), [2]);
        assert_eq!(timers.expired(at(9_999), 9), [2]);
        assert_eq!(timers.expired(at(10_000), 9), [2, 1]);
        assert_eq!(timers.expired(at(10_000), 1), [2]);
    }

    #[test]
    fn what_stops_waiting_leaves_nothing() {
        let mut timers = Timers::default();
        timers.set(1, Some(at(10)), at(10));
        timers.set(2, Some(at(20)), at(5_000));
        timers.stop(1, Some(at(10)), at(10));
        timers.is_not_delayed(2, at(20));
        assert_eq!(timers.next(), Some(at(5_000)));
        timers.stop(2, None, at(5_000));
        assert_eq!(timers.next(), None);
    }
}
