//! The policy in force: asks it, checks its answer.

use std::sync::Arc;

use super::{Candidates, Policy, RankContext};

/// The policy in force.
#[derive(Clone)]
pub struct PolicyEngine {
    active: Arc<dyn Policy>,
}

/// A checked answer: rows that exist, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    /// The candidate rows in order of preference; empty means *wait*.
    pub rows: Vec<u32>,
}

impl PolicyEngine {
    /// An engine that asks `policy`.
    pub fn new(policy: Arc<dyn Policy>) -> Self {
        Self { active: policy }
    }

    /// The name of the policy in force.
    pub fn active_name(&self) -> &str {
        self.active.name()
    }

    /// Asks the policy in force. Rows out of range and repeated rows are dropped.
    #[expect(
        clippy::unused_async,
        reason = "policies on their own thread answer later; callers must not assume otherwise"
    )]
    pub async fn rank(&self, context: &RankContext, candidates: &Candidates) -> Ranking {
        let mut rows = Vec::new();
        self.active.rank(context, candidates, &mut rows);
        let mut ranking = Ranking { rows };
        ranking.keep_valid(candidates.len());
        ranking
    }
}

impl Ranking {
    fn keep_valid(&mut self, candidates: usize) {
        let mut kept = 0;
        for at in 0..self.rows.len() {
            let row = self.rows[at];
            // Answers are short (the natives name eight rows at most), so looking back beats a set.
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
        let mut ranking = Ranking { rows: vec![2, 9, 2, 0, 0, 1] };
        ranking.keep_valid(3);
        assert_eq!(ranking.rows, [2, 0, 1]);
    }
}
