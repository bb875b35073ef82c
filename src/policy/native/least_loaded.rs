//! `least-loaded`: the most room relative to size.

use super::SAMPLE;
use super::best_rows::BestRows;
use super::signals::{expected_ms, latency_ms, sort_key, weight_millionths};
use crate::policy::{Candidates, Policy, RankContext};

/// Latencies are told apart in steps of an eighth of an octave (about a tenth): smaller differences are noise, and following
/// them would send every balancer to the same worker. So many low bits of a double lie below such a step.
const LATENCY_NOISE_BITS: u32 = 49;

/// The default: the lowest load, where load = `(used + 1) / slots / weight`; among equal loads the lowest expected latency
/// (see [`native`](super::native)); among equal latencies by chance, from the seed.
///
/// - A worker without known latency takes the average of the known ones, so it is neither starved nor flooded.
/// - Latencies within the same eighth of an octave (steps of about a tenth) are equal.
/// - Weights count in millionths. Weight 0, or no slots, means last resort.
#[derive(Debug)]
pub(super) struct LeastLoaded;

/// Load, latency, chance; the lowest wins.
type Key = (u64, u64, u64);

impl LeastLoaded {
    pub(super) const NAME: &str = "least-loaded";
}

impl Policy for LeastLoaded {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn sample(&self) -> Option<usize> {
        Some(SAMPLE)
    }

    fn rank(&self, context: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>) {
        let usual = usual_latency_ms(candidates);
        let mut chance = fastrand::Rng::with_seed(context.seed);
        let mut best = BestRows::<Key>::new();
        for (at, row) in (0..candidates.len()).zip(0..) {
            let load = sort_key(load(candidates, at));
            if best.worst().is_some_and(|(worst, ..)| worst < load) {
                continue;
            }
            let latency = latency_ms(candidates.latency_ms[at]).unwrap_or(usual);
            let expected = expected_ms(latency, candidates.failure_rate[at], usual);
            best.offer((load, sort_key(expected) >> LATENCY_NOISE_BITS, chance.u64(..)), row);
        }
        best.write_to(rows);
    }
}

/// Equal ratios give equal numbers: both sides of the division are whole and exact (up to 2^53), and a division of doubles is
/// rounded correctly. A comparison with a tolerance would not be an order.
fn load(candidates: &Candidates, at: usize) -> f64 {
    let capacity = f64::from(candidates.slots[at]) * weight_millionths(candidates.weight[at]);
    if capacity > 0.0 { (f64::from(candidates.used[at]) + 1.0) / capacity } else { f64::INFINITY }
}

/// The average of the known latencies; 0 if there is none.
fn usual_latency_ms(candidates: &Candidates) -> f64 {
    let (sum, known) = candidates
        .latency_ms
        .iter()
        .filter_map(|&signal| latency_ms(signal))
        .fold((0.0, 0_u32), |(sum, known), latency| (sum + latency, known + 1));
    if known == 0 { 0.0 } else { sum / f64::from(known) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{context, first_choices, rank};
    use crate::task::Candidate;

    fn worker(used: u32, slots: u32) -> Candidate {
        Candidate { slots, used, weight: 1.0, ..Candidate::default() }
    }

    fn order(workers: &[Candidate]) -> Vec<u32> {
        rank(&LeastLoaded, &context(1), &workers.iter().copied().collect())
    }

    #[test]
    fn the_ratio_counts_not_the_number_of_free_slots() {
        // (8+1)/100 is less than (0+1)/10, and both than (1+1)/10.
        assert_eq!(order(&[worker(1, 10), worker(0, 10), worker(8, 100)]), [2, 1, 0]);
    }

    #[test]
    fn a_heavier_worker_takes_more() {
        let heavy = Candidate { weight: 3.0, ..worker(1, 10) };
        assert_eq!(order(&[worker(0, 10), heavy]), [1, 0]);
    }

    #[test]
    fn a_worker_of_weight_zero_is_the_last_resort() {
        let parked = Candidate { weight: 0.0, ..worker(0, 1_000) };
        assert_eq!(order(&[parked, worker(9, 10)]), [1, 0]);
        assert_eq!(order(&[parked]), [0]);
    }

    #[test]
    fn equal_ratios_leave_the_choice_to_latency() {
        let slow = |worker| Candidate { latency_ms: 80.0, ..worker };
        let fast = |worker| Candidate { latency_ms: 20.0, ..worker };
        // 1/3 twice, then with weights: 1 / (1 × 0.3) is 1 / (3 × 0.1).
        assert_eq!(order(&[slow(worker(0, 3)), fast(worker(6, 21))]), [1, 0]);
        assert_eq!(order(&[fast(worker(0, 3)), slow(worker(6, 21))]), [0, 1]);
        let light = Candidate { weight: 0.1, ..worker(0, 3) };
        let medium = Candidate { weight: 0.3, ..worker(0, 1) };
        assert_eq!(order(&[slow(light), fast(medium)]), [1, 0]);
        assert_eq!(order(&[fast(light), slow(medium)]), [0, 1]);
    }

    #[test]
    fn latency_never_outweighs_the_ratio() {
        let slow = Candidate { latency_ms: 9_000.0, ..worker(0, 10) };
        let fast = Candidate { latency_ms: 1.0, ..worker(1, 10) };
        assert_eq!(order(&[fast, slow]), [1, 0]);
    }

    #[test]
    fn a_worker_that_fails_fast_does_not_look_fast() {
        let failing = Candidate { latency_ms: 1.0, failure_rate: 0.5, ..worker(0, 10) };
        let sound = Candidate { latency_ms: 300.0, ..worker(0, 10) };
        assert_eq!(order(&[failing, sound]), [1, 0]);
    }

    #[test]
    fn an_unknown_latency_ranks_between_fast_and_slow() {
        let known = |latency_ms| Candidate { latency_ms, ..worker(0, 10) };
        assert_eq!(order(&[known(90.0), known(0.0), known(10.0)]), [2, 1, 0]);
    }

    #[test]
    fn equals_share_the_work_evenly() {
        // Latencies a few percent apart are equals too.
        let fleet: Candidates =
            [52.0, 53.0, 54.5, 55.9].map(|latency_ms| Candidate { latency_ms, ..worker(3, 10) }).into_iter().collect();
        for chosen in first_choices(&LeastLoaded, &fleet, 8_000) {
            assert!((1_800..2_200).contains(&chosen), "{chosen}");
        }
    }

    #[test]
    fn only_the_least_loaded_share_the_work() {
        let fleet: Candidates = [worker(2, 10), worker(1, 10), worker(3, 10), worker(3, 20)].into_iter().collect();
        let chosen = first_choices(&LeastLoaded, &fleet, 2_000);
        assert_eq!((chosen[0], chosen[2]), (0, 0));
        assert!(chosen[1] > 800 && chosen[3] > 800, "{chosen:?}");
    }

    #[test]
    fn names_the_eight_best_of_many() {
        let fleet: Candidates = (0..10_000).map(|used| worker(used, 10_000)).collect();
        assert_eq!(rank(&LeastLoaded, &context(1), &fleet), [0, 1, 2, 3, 4, 5, 6, 7]);
        let fleet: Candidates = (0..10).rev().map(|used| worker(used, 10)).collect();
        assert_eq!(rank(&LeastLoaded, &context(1), &fleet), [9, 8, 7, 6, 5, 4, 3, 2]);
    }
}
