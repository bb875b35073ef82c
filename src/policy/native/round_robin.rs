//! `round-robin`: every worker in turn.

use std::collections::HashMap;

use parking_lot::{Mutex, RwLock};

use super::best_rows::BestRows;
use crate::policy::{Candidates, Policy, RankContext};

/// In each lane the workers in turn, by their number: first the worker with the next larger number after the one named first
/// last time, wrapping round, then those after it. Workers that come, go or are full just change who is next.
///
/// It remembers one number for each lane it has seen.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    /// By lane, the lowest worker number whose turn it is. The outer lock is written only for a lane's first task, so lanes do not
    /// wait for each other; the inner one makes a turn one step.
    turns: RwLock<HashMap<u32, Mutex<u32>>>,
}

impl RoundRobin {
    pub(super) const NAME: &str = "round-robin";
}

impl Policy for RoundRobin {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn rank(&self, context: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>) {
        if let Some(turn) = self.turns.read().get(&context.lane) {
            take_turn(&mut turn.lock(), candidates, rows);
            return;
        }
        take_turn(self.turns.write().entry(context.lane).or_default().get_mut(), candidates, rows);
    }
}

fn take_turn(turn: &mut u32, candidates: &Candidates, rows: &mut Vec<u32>) {
    let mut best = BestRows::<u32>::new();
    for (&worker, row) in candidates.worker.iter().zip(0..) {
        // How far round the circle of numbers it is.
        best.offer(worker.wrapping_sub(*turn), row);
    }
    best.write_to(rows);
    if let Some(&first) = rows.first() {
        *turn = candidates.worker[first as usize].wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::conformance::{context, rank};
    use crate::task::Candidate;

    const NOBODY: u32 = 999;

    fn fleet(workers: &[u32]) -> Candidates {
        workers.iter().map(|&worker| Candidate { worker, slots: 1, weight: 1.0, ..Candidate::default() }).collect()
    }

    fn next(policy: &RoundRobin, lane: u32, workers: &[u32]) -> u32 {
        let rows = rank(policy, &RankContext { lane, ..context(1) }, &fleet(workers));
        rows.first().map_or(NOBODY, |&row| workers[row as usize])
    }

    #[test]
    fn takes_the_workers_in_turn_by_number_and_starts_over() {
        let policy = RoundRobin::default();
        let turns: Vec<u32> = (0..5).map(|_| next(&policy, 0, &[7, 2, u32::MAX])).collect();
        assert_eq!(turns, [2, 7, u32::MAX, 2, 7]);
    }

    #[test]
    fn the_rows_after_the_first_go_on_round_the_circle() {
        let policy = RoundRobin::default();
        next(&policy, 0, &[3, 1, 2]);
        assert_eq!(rank(&policy, &context(1), &fleet(&[3, 1, 2])), [2, 0, 1]);
    }

    #[test]
    fn lanes_have_their_own_turns() {
        let policy = RoundRobin::default();
        assert_eq!(next(&policy, 0, &[1, 2]), 1);
        assert_eq!(next(&policy, 1, &[1, 2]), 1);
        assert_eq!(next(&policy, 0, &[1, 2]), 2);
        assert_eq!(next(&policy, 1, &[1, 2]), 2);
    }

    #[test]
    fn workers_that_come_and_go_change_only_who_is_next() {
        let policy = RoundRobin::default();
        assert_eq!(next(&policy, 0, &[1, 2, 3, 4]), 1);
        assert_eq!(next(&policy, 0, &[1, 3, 4]), 3, "2 has left");
        assert_eq!(next(&policy, 0, &[2, 5]), 5, "a new one, and those next have left");
        assert_eq!(next(&policy, 0, &[]), NOBODY);
        assert_eq!(next(&policy, 0, &[4, 2]), 2, "start over");
    }

    #[test]
    fn decisions_at_the_same_time_take_different_turns() {
        let policy = RoundRobin::default();
        let workers: Vec<u32> = (0..100).collect();
        let taken = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let worker = next(&policy, 0, &workers);
                        taken.lock().push(worker);
                    }
                });
            }
        });
        let mut taken = taken.into_inner();
        taken.sort_unstable();
        assert_eq!(taken, workers);
    }
}
