//! How a policy is doing: calls, durations, failures, and whether it is asked at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::{LoadError, Trouble};
use crate::policy::Failure;
use crate::policy::circuit::{Circuit, Turn};
use crate::policy::durations::Durations;

/// A decision that takes so long holds up its thread.
pub(super) const SWIFT: Duration = Duration::from_micros(50);
/// So many calls are looked at to say how fast they are.
const WINDOW: u32 = 256;
/// One call in so many may be slow for a policy to be taken for a swift one, and for it to remain one. On a busy machine a call is slow
/// now and then because its thread has lost its turn, which says nothing about the policy.
const SWIFT_BEGINS: u32 = 100;
const SWIFT_STAYS: u32 = 20;

/// How one policy is doing, from all threads.
pub(super) struct Record {
    policy: Arc<str>,
    circuit: Mutex<Circuit>,
    /// Neither open nor any failure remembered: nothing to ask or tell the circuit.
    calm: AtomicBool,
    durations: Durations,
    failures: [AtomicU64; Failure::ALL.len()],
    last_failure: Mutex<Option<String>>,
    recent: AtomicU32,
    recent_slow: AtomicU32,
    /// Nearly all calls of late were swift, and none ever missed its deadline.
    swift: AtomicBool,
    missed_a_deadline: AtomicBool,
}

impl Record {
    pub(super) fn new(policy: &Arc<str>, swift: bool) -> Self {
        Self {
            policy: Arc::clone(policy),
            circuit: Mutex::new(Circuit::new()),
            calm: AtomicBool::new(true),
            durations: Durations::default(),
            failures: Default::default(),
            last_failure: Mutex::new(None),
            recent: AtomicU32::new(0),
            recent_slow: AtomicU32::new(0),
            swift: AtomicBool::new(swift),
            missed_a_deadline: AtomicBool::new(false),
        }
    }

    /// Whether a call may be made now. Whoever is told so and makes none has the circuit wait for nothing, for a while.
    pub(super) fn admits(&self) -> bool {
        self.calm.load(Ordering::Acquire) || self.circuit.lock().admits(Instant::now())
    }

    /// How long no call is made from now on.
    pub(super) fn pause_left(&self) -> Option<Duration> {
        if self.calm.load(Ordering::Acquire) { None } else { self.circuit.lock().pause_left(Instant::now()) }
    }

    /// Whether decisions are fast enough to be made on the thread that wants them.
    pub(super) fn is_swift(&self) -> bool {
        self.swift.load(Ordering::Relaxed)
    }

    /// A call into an instance has ended.
    pub(super) fn called<T>(&self, took: Duration, outcome: &Result<T, Trouble>) {
        self.durations.add(took);
        self.look_at_speed(took);
        match outcome {
            Ok(_) if self.calm.load(Ordering::Acquire) => {}
            Ok(_) => self.turn(Circuit::succeeded),
            Err(trouble) => {
                if trouble.failure == Failure::Deadline {
                    self.missed_a_deadline.store(true, Ordering::Relaxed);
                    self.swift.store(false, Ordering::Relaxed);
                }
                self.failed(trouble.failure, &trouble.detail);
                self.turn(Circuit::failed);
            }
        }
    }

    /// No new instance could be made. Trying that at every call would be no better.
    pub(super) fn not_restarted(&self, error: &LoadError) {
        self.failed(Failure::Restarting, &error.to_string());
        self.turn(Circuit::trip);
    }

    /// How long its calls took.
    pub(super) fn durations(&self) -> &Durations {
        &self.durations
    }

    /// The last failure, in a sentence.
    pub(super) fn last_failure(&self) -> Option<String> {
        self.last_failure.lock().clone()
    }

    /// How often it failed, by reason.
    pub(super) fn failures(&self) -> Vec<(Failure, u64)> {
        let count = |failure: Failure| self.failures[failure as usize].load(Ordering::Relaxed);
        Failure::ALL.into_iter().map(|failure| (failure, count(failure))).filter(|(_, count)| *count > 0).collect()
    }

    fn failed(&self, failure: Failure, detail: &str) {
        self.failures[failure as usize].fetch_add(1, Ordering::Relaxed);
        if self.calm.load(Ordering::Acquire) {
            tracing::warn!(policy = %self.policy, reason = failure.word(), "the policy failed: {detail}");
        } else {
            tracing::debug!(policy = %self.policy, reason = failure.word(), "the policy failed: {detail}");
        }
        *self.last_failure.lock() = Some(format!("{}: {detail}", failure.word()));
    }

    fn turn(&self, change: impl FnOnce(&mut Circuit, Instant) -> Turn) {
        let turn = {
            let mut circuit = self.circuit.lock();
            let turn = change(&mut circuit, Instant::now());
            self.calm.store(circuit.is_calm(), Ordering::Release);
            turn
        };
        match turn {
            Turn::Same => {}
            Turn::Opened(pause) => {
                let reason = self.last_failure().unwrap_or_default();
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(policy = %self.policy, pause_ms, "the policy keeps failing and is left alone: {reason}");
            }
            Turn::Closed => tracing::info!(policy = %self.policy, "the policy works again"),
        }
    }

    fn look_at_speed(&self, took: Duration) {
        if took >= SWIFT {
            self.recent_slow.fetch_add(1, Ordering::Relaxed);
        }
        if self.recent.fetch_add(1, Ordering::Relaxed) + 1 >= WINDOW {
            self.recent.store(0, Ordering::Relaxed);
            let slow = self.recent_slow.swap(0, Ordering::Relaxed);
            let missed = self.missed_a_deadline.load(Ordering::Relaxed);
            let most = if self.is_swift() { WINDOW / SWIFT_STAYS } else { WINDOW / SWIFT_BEGINS };
            self.swift.store(!missed && slow <= most, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_swift_as_long_as_its_calls_are_and_never_again_after_a_missed_deadline() {
        let record = Record::new(&Arc::from("wasm:test"), true);
        let calls = |took| (0..WINDOW).for_each(|_| record.called(took, &Ok(())));
        calls(SWIFT * 2);
        assert!(!record.is_swift());
        calls(SWIFT / 2);
        assert!(record.is_swift());
        let missed = Trouble { failure: Failure::Deadline, detail: String::new(), usable: false };
        record.called(SWIFT * 200, &Err::<(), _>(missed));
        assert!(!record.is_swift());
        calls(SWIFT / 2);
        calls(SWIFT / 2);
        assert!(!record.is_swift());
    }
}
