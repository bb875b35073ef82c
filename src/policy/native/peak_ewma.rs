//! `peak-ewma`: power of two choices over latency and what is in flight.

use super::SAMPLE;
use super::signals::{expected_ms, latency_ms, weight_millionths};
use crate::policy::{Candidates, Policy, RankContext};

/// The two choices and six further rows.
const PICKED_ROWS: u32 = 8;
/// Taken for both when nothing is known of either worker. It only decides how much failures weigh against tasks in flight.
const UNKNOWN_LATENCY_MS: f64 = 1_000.0;

/// Power of two choices: of two random workers the one with the lower load comes first, then the other, then up to six further
/// random ones. Load = `expected latency × (in_flight + 1) / weight`; for the expected latency see [`native`](super::native),
/// the usual latency being the larger of the two.
///
/// - A worker without known latency takes that of the worker it is compared with, so that only what is in flight decides
///   between them. A fixed guess would starve new workers in a fleet faster than the guess (it never fades here, as nobody asks a
///   worker that is never chosen) and flood them in a slower one.
/// - Two random choices instead of the best of all: several balancers with the same stale figures do not all run to one
///   worker.
/// - Weight 0 means last resort.
#[derive(Debug)]
pub(super) struct PeakEwma;

impl PeakEwma {
    pub(super) const NAME: &str = "peak-ewma";
}

impl Policy for PeakEwma {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn sample(&self) -> Option<usize> {
        Some(SAMPLE)
    }

    fn rank(&self, context: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>) {
        let mut chance = fastrand::Rng::with_seed(context.seed);
        pick_random_rows(candidates.len(), &mut chance, rows);
        if let &[first, second, ..] = rows.as_slice() {
            let (first_load, second_load) = loads(candidates, first as usize, second as usize);
            if second_load < first_load {
                rows.swap(0, 1);
            }
        }
    }
}

/// Distinct rows, each equally likely at each place: Floyd's sampling, then a shuffle, which needs no second try.
fn pick_random_rows(candidates: usize, chance: &mut fastrand::Rng, rows: &mut Vec<u32>) {
    let candidates = u32::try_from(candidates).unwrap_or(u32::MAX);
    for bound in candidates.saturating_sub(PICKED_ROWS)..candidates {
        let row = chance.u32(..=bound);
        rows.push(if rows.contains(&row) { bound } else { row });
    }
    chance.shuffle(rows);
}

fn loads(candidates: &Candidates, first: usize, second: usize) -> (f64, f64) {
    let first_known = latency_ms(candidates.latency_ms[first]);
    let second_known = latency_ms(candidates.latency_ms[second]);
    let first_ms = first_known.or(second_known).unwrap_or(UNKNOWN_LATENCY_MS);
    let second_ms = second_known.unwrap_or(first_ms);
    let usual_ms = first_ms.max(second_ms);
    (load(candidates, first, first_ms, usual_ms), load(candidates, second, second_ms, usual_ms))
}

fn load(candidates: &Candidates, at: usize, latency_ms: f64, usual_ms: f64) -> f64 {
    let in_flight = f64::from(candidates.in_flight[at]) + 1.0;
    // Divided by zero it is infinite, which is what weight 0 means.
    expected_ms(latency_ms, candidates.failure_rate[at], usual_ms) * in_flight
        / weight_millionths(candidates.weight[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{context, first_choices, rank};
    use crate::task::Candidate;

    fn worker(latency_ms: f32) -> Candidate {
        Candidate { slots: 100, latency_ms, weight: 1.0, ..Candidate::default() }
    }

    fn first_of_two(one: Candidate, other: Candidate) -> u32 {
        let fleet: Candidates = [one, other].into_iter().collect();
        let chosen = first_choices(&PeakEwma, &fleet, 64);
        assert!(chosen.contains(&0), "the choice between two is no matter of chance: {chosen:?}");
        u32::from(chosen[1] > 0)
    }

    #[test]
    fn of_two_the_faster_comes_first() {
        assert_eq!(first_of_two(worker(20.0), worker(10.0)), 1);
    }

    #[test]
    fn tasks_in_flight_count_as_much_as_latency() {
        let busy = Candidate { in_flight: 3, ..worker(10.0) };
        assert_eq!(first_of_two(busy, worker(30.0)), 1);
        assert_eq!(first_of_two(busy, worker(50.0)), 0);
        let busy_and_new = Candidate { in_flight: 1, ..worker(0.0) };
        assert_eq!(first_of_two(busy_and_new, worker(0.0)), 1);
    }

    #[test]
    fn a_heavier_worker_takes_more() {
        let heavy = Candidate { weight: 4.0, in_flight: 2, ..worker(10.0) };
        assert_eq!(first_of_two(worker(10.0), heavy), 1);
    }

    #[test]
    fn a_worker_that_fails_fast_is_avoided() {
        let mut fleet = vec![worker(200.0); 10];
        fleet[3] = Candidate { latency_ms: 1.0, failure_rate: 0.9, ..worker(1.0) };
        let fleet: Candidates = fleet.into_iter().collect();
        assert_eq!(first_choices(&PeakEwma, &fleet, 2_000)[3], 0);
    }

    #[test]
    fn a_worker_that_has_only_failed_is_avoided() {
        let failing = Candidate { failure_rate: 0.6, ..worker(0.0) };
        assert_eq!(first_of_two(failing, worker(500.0)), 1);
        assert_eq!(first_of_two(failing, worker(0.0)), 1);
    }

    #[test]
    fn a_new_worker_is_neither_starved_nor_flooded() {
        for usual in [1.0, 100.0, 60_000.0] {
            let mut fleet = vec![Candidate { in_flight: 2, ..worker(usual) }; 9];
            fleet.push(Candidate { in_flight: 2, ..worker(0.0) });
            let chosen = first_choices(&PeakEwma, &fleet.iter().copied().collect(), 5_000)[9];
            assert!((400..600).contains(&chosen), "a tenth of the work at {usual} ms: {chosen}");

            fleet[9].in_flight = 3;
            let chosen = first_choices(&PeakEwma, &fleet.into_iter().collect(), 5_000)[9];
            assert_eq!(chosen, 0, "no more than the others at {usual} ms");
        }
    }

    #[test]
    fn equals_share_the_work_evenly() {
        let fleet: Candidates = vec![worker(50.0); 20].into_iter().collect();
        for chosen in first_choices(&PeakEwma, &fleet, 20_000) {
            assert!((850..1_150).contains(&chosen), "{chosen}");
        }
    }

    #[test]
    fn further_rows_follow_the_two_choices() {
        let fleet: Candidates = vec![worker(50.0); 1_000].into_iter().collect();
        assert_eq!(rank(&PeakEwma, &context(5), &fleet).len(), 8);
        let fleet: Candidates = vec![worker(50.0); 3].into_iter().collect();
        assert_eq!(rank(&PeakEwma, &context(5), &fleet).len(), 3);
    }
}
