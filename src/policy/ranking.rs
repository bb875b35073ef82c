//! The answer to a decision, checked.

use std::sync::Arc;
use std::time::Duration;

use super::assigned::native_version;
use super::{Candidates, Policy, RankContext};

/// So many rows of an answer are looked at. Nobody tries that many workers for one decision, and a huge answer stays cheap.
const CONSIDERED_ROWS: usize = 64;

/// A checked answer: rows that exist, each once, out of the first 64 answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    /// The candidate rows in order of preference; empty means *wait*.
    pub rows: Vec<u32>,
    /// The policy that answered, in the form of `POLICY`.
    pub policy: Arc<str>,
    /// Its version: of a user's policy what it says of itself and the beginning of its file's SHA-256, else the balancer's own.
    pub version: Arc<str>,
    /// Why a native policy answered in place of the one in force, in a word; `None` if it was the one in force.
    pub fallback: Option<Arc<str>>,
    /// How long the decision took.
    pub took: Duration,
}

impl Ranking {
    /// The answer of a native policy.
    pub(super) fn native(
        policy: &dyn Policy,
        choice: &Arc<str>,
        context: &RankContext,
        candidates: &Candidates,
    ) -> Self {
        let mut rows = Vec::new();
        policy.rank(context, candidates, &mut rows);
        let mut ranking = Self { rows, policy: Arc::clone(choice), version: native_version(), ..Self::default() };
        ranking.keep_valid(candidates.len());
        ranking
    }

    /// The answer of a user's policy, whose rows are known to exist, each once.
    pub(super) fn of_guest(mut rows: Vec<u32>, choice: &Arc<str>, version: &Arc<str>) -> Self {
        rows.truncate(CONSIDERED_ROWS);
        Self { rows, policy: Arc::clone(choice), version: Arc::clone(version), ..Self::default() }
    }

    fn keep_valid(&mut self, candidates: usize) {
        self.rows.truncate(CONSIDERED_ROWS);
        let mut kept = 0;
        for at in 0..self.rows.len() {
            let row = self.rows[at];
            // Answers are short, so looking back beats a set.
            if (row as usize) < candidates && !self.rows[..kept].contains(&row) {
                self.rows[kept] = row;
                kept += 1;
            }
        }
        self.rows.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_rows_out_of_range_and_repeated_rows() {
        let mut ranking = Ranking { rows: vec![2, 9, 2, 0, 0, 1], ..Ranking::default() };
        ranking.keep_valid(3);
        assert_eq!(ranking.rows, [2, 0, 1]);
    }

    #[test]
    fn considers_only_the_first_rows_of_a_huge_answer() {
        let rows = [vec![7; 63], vec![5, 3], vec![1; 1_000_000]].concat();
        let mut ranking = Ranking { rows, ..Ranking::default() };
        ranking.keep_valid(10);
        assert_eq!(ranking.rows, [7, 5]);
    }
}
