//! What a call costs, beside the native policy.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::Trouble;
use super::golden;
use super::loader::CheckedPolicy;
use crate::policy::native::default_native;
use crate::policy::{RankContext, SubmissionView};

/// Calls before any is looked at.
const WARM_UP: u64 = 64;
/// Calls of one kind, before those of the other kind have their turn; fewer if they take longer than that.
const TURN: u64 = 64;
const TURN_TIME: Duration = Duration::from_millis(5);
/// Calls that are looked at, at most.
const MOST: usize = 200_000;

/// What calls of one kind cost, in nanoseconds. What it takes to look at the clock is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Half of the calls took no longer.
    pub median_ns: u64,
    /// 99 of 100 calls took no longer.
    pub p99_ns: u64,
    /// How many there were.
    pub calls: usize,
}

/// What calls cost, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measurement {
    /// Of `rank`, by the number of candidates: of `native:least-loaded`, and of the policy. Empty if it does not rank.
    pub rank: Vec<(u32, Measured, Measured)>,
    /// Of `prioritize`, if the policy has it.
    pub prioritize: Option<Measured>,
}

/// A table.
impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.rank.is_empty() {
            writeln!(f, "nanoseconds a call of rank, native: native:least-loaded")?;
            let (median, p99) = ("native median", "native p99");
            writeln!(f, "{:>10} {median:>14} {p99:>14} {:>14} {:>14}", "candidates", "policy median", "policy p99")?;
            for (size, native, guest) in &self.rank {
                let (Measured { median_ns: one, p99_ns: most, .. }, guest) = (native, guest);
                writeln!(f, "{size:>10} {one:>14} {most:>14} {:>14} {:>14}", guest.median_ns, guest.p99_ns)?;
            }
        }
        if let Some(prioritize) = &self.prioritize {
            writeln!(f, "prioritize: median {} ns, p99 {} ns", prioritize.median_ns, prioritize.p99_ns)?;
        }
        Ok(())
    }
}

/// Measures a policy beside `native:least-loaded`, call by call in turns, so that whatever else the machine does hits both. `time` is for
/// each number of candidates in `sizes`; `progress` is told that number before its turn comes.
///
/// # Errors
/// If a call fails.
pub fn measure(
    policy: &mut CheckedPolicy,
    sizes: &[u32],
    time: Duration,
    progress: &mut dyn FnMut(&str),
) -> Result<Measurement, Trouble> {
    let mut measurement = Measurement::default();
    let exports = policy.exports();
    if exports.contains(&"ranking") {
        for &size in sizes {
            progress(&format!("rank, {size} candidates"));
            let (native, guest) = measure_rank(policy, size, time)?;
            measurement.rank.push((size, native, guest));
        }
    }
    if let (true, Some(lane)) = (exports.contains(&"priority"), golden::lane()) {
        progress("prioritize");
        let mut samples = Samples::new();
        let mut prioritize = |seed| {
            let view = SubmissionView { seed, now_ms: now_ms(seed), ..golden::submission(&lane) };
            policy.prioritize(&view).map(drop)
        };
        let began = Instant::now();
        while samples.wants_more(began, time) {
            samples.turn(&mut prioritize)?;
        }
        measurement.prioritize = Some(samples.measured());
    }
    Ok(measurement)
}

fn measure_rank(policy: &mut CheckedPolicy, size: u32, time: Duration) -> Result<(Measured, Measured), Trouble> {
    let fleet = golden::fleet(size);
    let context = |seed| RankContext { now_ms: now_ms(seed), ..golden::context(seed) };
    let least_loaded = default_native();
    let (mut rows, mut answer) = (Vec::new(), Vec::new());
    let mut native = |seed| {
        rows.clear();
        least_loaded.rank(&context(seed), &fleet, &mut rows);
        Ok(())
    };
    let mut guest = |seed| policy.rank(&context(seed), &fleet, &mut answer);
    let (mut natives, mut guests) = (Samples::new(), Samples::new());
    let began = Instant::now();
    while natives.nanos.is_empty() || guests.wants_more(began, time) {
        natives.turn(&mut native)?;
        guests.turn(&mut guest)?;
    }
    Ok((natives.measured(), guests.measured()))
}

/// A millisecond from call to call.
fn now_ms(seed: u64) -> u64 {
    1_750_000_000_000 + seed
}

/// How long calls of one kind took.
struct Samples {
    nanos: Vec<u64>,
    calls: u64,
    /// What it takes to look at the clock.
    clock: u64,
}

impl Samples {
    fn new() -> Self {
        let mut empty: Vec<u64> = (0..1_000).map(|_| nanos(Instant::now())).collect();
        empty.sort_unstable();
        Self { nanos: Vec::new(), calls: 0, clock: empty[empty.len() / 2] }
    }

    fn wants_more(&self, began: Instant, time: Duration) -> bool {
        self.nanos.is_empty() || (began.elapsed() < time && self.nanos.len() < MOST)
    }

    fn turn(&mut self, call: &mut impl FnMut(u64) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let began = Instant::now();
        for _ in 0..TURN {
            let started = Instant::now();
            call(self.calls)?;
            let took = nanos(started);
            self.calls += 1;
            // A slow policy need not be called so often before it counts.
            if self.calls > WARM_UP || began.elapsed() > TURN_TIME {
                self.nanos.push(took.saturating_sub(self.clock));
            }
            if began.elapsed() > TURN_TIME {
                break;
            }
        }
        Ok(())
    }

    fn measured(mut self) -> Measured {
        self.nanos.sort_unstable();
        let at = |share: usize| self.nanos[(self.nanos.len() * share / 100).min(self.nanos.len() - 1)];
        Measured { median_ns: at(50), p99_ns: at(99), calls: self.nanos.len() }
    }
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
