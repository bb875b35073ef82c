//! `andera-score`: the original balancer's formula.

use std::cmp::Reverse;

use super::best_rows::BestRows;
use crate::policy::{Candidates, Policy, RankContext};

/// The original's choice, for those who want the same workers chosen: the highest
/// `available × 10 − cpu × 5 − memory × 5`, where available = slots − used; among equals the first row.
///
/// Memory is a percentage, so it outweighs all but large numbers of free slots. A score that is no number comes last.
#[derive(Debug)]
pub(super) struct AnderaScore;

/// A score in the total order of numbers.
#[derive(Clone, Copy, Debug)]
struct Score(f64);

impl AnderaScore {
    pub(super) const NAME: &str = "andera-score";
}

impl Policy for AnderaScore {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn rank(&self, _context: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>) {
        let mut best = BestRows::<Reverse<Score>>::new();
        for (at, row) in (0..candidates.len()).zip(0..) {
            best.offer(Reverse(Score::of(candidates, at)), row);
        }
        best.write_to(rows);
    }
}

impl Score {
    fn of(candidates: &Candidates, at: usize) -> Self {
        let available = f64::from(candidates.slots[at].saturating_sub(candidates.used[at]));
        let score = available * 10.0 - f64::from(candidates.cpu[at]) * 5.0 - f64::from(candidates.memory[at]) * 5.0;
        // Adding zero turns -0 into 0: equal scores must compare equal.
        Self(if score.is_nan() { f64::NEG_INFINITY } else { score + 0.0 })
    }
}

impl Default for Score {
    fn default() -> Self {
        Self(f64::NEG_INFINITY)
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{context, rank};
    use crate::task::Candidate;

    fn worker(slots: u32, used: u32, cpu: f32, memory: f32) -> Candidate {
        Candidate { slots, used, cpu, memory, ..Candidate::default() }
    }

    fn order(workers: &[Candidate]) -> Vec<u32> {
        rank(&AnderaScore, &context(1), &workers.iter().copied().collect())
    }

    #[test]
    fn free_slots_count_ten_and_cpu_and_memory_five() {
        let workers = [
            worker(7, 1, 1.0, 10.0), // 60 − 5 − 50 = 5
            worker(3, 0, 2.0, 3.0),  // 30 − 10 − 15 = 5, a later row
            worker(2, 0, 3.0, 1.0),  // 20 − 15 − 5 = 0
            worker(1, 0, 0.0, 1.5),  // 10 − 0 − 7.5 = 2.5
            worker(2, 1, 0.0, 0.0),  // 10 − 0 − 0 = 10
        ];
        assert_eq!(order(&workers), [4, 0, 1, 3, 2]);
    }

    #[test]
    fn equals_come_in_row_order_whatever_the_seed() {
        let workers: Candidates = (0..20).map(|_| worker(10, 0, 0.2, 30.0)).collect();
        for seed in 0..50 {
            assert_eq!(rank(&AnderaScore, &context(seed), &workers), [0, 1, 2, 3, 4, 5, 6, 7]);
        }
    }

    #[test]
    fn a_score_that_is_no_number_comes_last() {
        let workers = [worker(10, 0, f32::NAN, 10.0), worker(1, 1, 90.0, 99.0)];
        assert_eq!(order(&workers), [1, 0]);
    }

    #[test]
    fn more_used_than_there_are_slots_counts_as_none_available() {
        assert_eq!(order(&[worker(1, 5, 0.0, 0.0), worker(5, 5, 0.0, 0.0), worker(2, 1, 0.0, 0.0)]), [2, 0, 1]);
    }
}
