//! When a policy that keeps failing is left alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many failures within [`WINDOW`] open the circuit.
const FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A trial call that nobody has heard of for so long has got lost.
const TRIAL_PATIENCE: Duration = Duration::from_secs(5);
/// After so long without opening, the next pause is the first one again.
const FORGIVEN_AFTER: Duration = Duration::from_mins(1);

/// Counts failures. Closed: every call goes through. Open: none does, until the pause is over; then one is tried, and its outcome
/// closes the circuit or opens it for twice as long.
#[derive(Debug)]
pub(crate) struct Circuit {
    failures: VecDeque<Instant>,
    state: State,
    next_pause: Duration,
    /// When it last closed.
    closed_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    Trial { since: Instant },
}

/// What a call's outcome did to the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing.
    Same,
    /// It has opened, for so long.
    Opened(Duration),
    /// It has closed.
    Closed,
}

impl Circuit {
    pub(crate) fn new() -> Self {
        Self { failures: VecDeque::new(), state: State::Closed, next_pause: FIRST_PAUSE, closed_at: None }
    }

    /// Whether a call may be made now.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let tries = match self.state {
            State::Closed => return true,
            State::Open { until } => now >= until,
            State::Trial { since } => now.saturating_duration_since(since) >= TRIAL_PATIENCE,
        };
        if tries {
            self.state = State::Trial { since: now };
        }
        tries
    }

    /// How long no call is made from now on; `None` unless it is open.
    pub(crate) fn pause_left(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { until } if until > now => Some(until - now),
            _ => None,
        }
    }

    /// Whether there is nothing a success would change.
    pub(crate) fn is_calm(&self) -> bool {
        self.state == State::Closed && self.failures.is_empty()
    }

    /// A call gave an answer that could be used.
    pub(crate) fn succeeded(&mut self, now: Instant) -> Turn {
        match self.state {
            State::Trial { .. } => {
                self.failures.clear();
                self.state = State::Closed;
                self.closed_at = Some(now);
                Turn::Closed
            }
            State::Closed => {
                self.forget_old(now);
                Turn::Same
            }
            // A call from before it opened.
            State::Open { .. } => Turn::Same,
        }
    }

    /// A call failed.
    pub(crate) fn failed(&mut self, now: Instant) -> Turn {
        match self.state {
            State::Open { .. } => return Turn::Same,
            State::Trial { .. } => {}
            State::Closed => {
                self.forget_old(now);
                self.failures.push_back(now);
                if self.failures.len() < FAILURES {
                    return Turn::Same;
                }
            }
        }
        self.open(now)
    }

    /// It fails for good, as far as one can see: there is no need to see it again and again.
    pub(crate) fn trip(&mut self, now: Instant) -> Turn {
        if self.pause_left(now).is_some() { Turn::Same } else { self.open(now) }
    }

    fn open(&mut self, now: Instant) -> Turn {
        if self.closed_at.is_some_and(|at| now.saturating_duration_since(at) >= FORGIVEN_AFTER)
            && self.state == State::Closed
        {
            self.next_pause = FIRST_PAUSE;
        }
        let pause = self.next_pause;
        self.next_pause = (pause * 2).min(LONGEST_PAUSE);
        self.failures.clear();
        self.state = State::Open { until: now + pause };
        Turn::Opened(pause)
    }

    fn forget_old(&mut self, now: Instant) {
        while self.failures.front().is_some_and(|at| now.saturating_duration_since(*at) > WINDOW) {
            self.failures.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn opened(now: Instant) -> Circuit {
        let mut circuit = Circuit::new();
        for _ in 1..FAILURES {
            assert_eq!(circuit.failed(now), Turn::Same);
        }
        assert_eq!(circuit.failed(now), Turn::Opened(SECOND));
        circuit
    }

    #[test]
    fn opens_after_five_failures_in_thirty_seconds() {
        let now = Instant::now();
        let mut circuit = opened(now);
        assert!(!circuit.admits(now + SECOND / 2));
        assert_eq!(circuit.pause_left(now + SECOND / 2), Some(SECOND / 2));
    }

    #[test]
    fn failures_far_apart_do_not_open_it() {
        let now = Instant::now();
        let mut circuit = Circuit::new();
        for nth in 0..40 {
            assert_eq!(circuit.failed(now + nth * 8 * SECOND), Turn::Same);
        }
    }

    #[test]
    fn lets_one_call_through_after_the_pause_and_closes_if_it_succeeds() {
        let now = Instant::now();
        let mut circuit = opened(now);
        assert!(circuit.admits(now + SECOND));
        assert!(!circuit.admits(now + SECOND), "one call at a time");
        assert_eq!(circuit.succeeded(now + SECOND), Turn::Closed);
        assert!(circuit.admits(now + SECOND) && circuit.is_calm());
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut now = Instant::now();
        let mut circuit = opened(now);
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            now += LONGEST_PAUSE;
            assert!(circuit.admits(now));
            assert_eq!(circuit.failed(now), Turn::Opened(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn a_policy_that_fails_again_soon_is_left_alone_for_longer_and_a_reformed_one_is_not() {
        let now = Instant::now();
        for (after, pause) in [(SECOND, 2 * SECOND), (FORGIVEN_AFTER, SECOND)] {
            let mut circuit = opened(now);
            assert!(circuit.admits(now + SECOND));
            circuit.succeeded(now + SECOND);
            let turns = [(); FAILURES].map(|()| circuit.failed(now + SECOND + after));
            assert_eq!(turns[FAILURES - 1], Turn::Opened(pause));
        }
    }

    #[test]
    fn what_fails_for_good_opens_it_at_once_and_for_longer_each_time() {
        let now = Instant::now();
        let mut circuit = Circuit::new();
        assert_eq!(circuit.trip(now), Turn::Opened(SECOND));
        assert_eq!(circuit.trip(now + SECOND / 2), Turn::Same);
        // Nobody has asked for a trial meanwhile.
        assert_eq!(circuit.trip(now + SECOND), Turn::Opened(2 * SECOND));
    }

    #[test]
    fn a_trial_that_gets_lost_does_not_keep_it_open() {
        let now = Instant::now();
        let mut circuit = opened(now);
        assert!(circuit.admits(now + SECOND));
        assert!(circuit.admits(now + SECOND + TRIAL_PATIENCE));
    }

    #[test]
    fn failures_of_calls_from_before_it_opened_do_not_prolong_the_pause() {
        let now = Instant::now();
        let mut circuit = opened(now);
        assert_eq!(circuit.failed(now + SECOND / 2), Turn::Same);
        assert!(circuit.admits(now + SECOND));
    }
}
