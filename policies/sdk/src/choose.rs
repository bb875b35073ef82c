//! Choosing a few rows out of many, in one pass.

use crate::Rng;
use crate::ranking::Candidates;

/// The `N` rows with the least cost, found in one pass without a heap allocation: what `rank` needs instead of sorting everything.
#[derive(Clone, Debug)]
pub struct Shortlist<C, const N: usize> {
    entries: [(C, u32); N],
    len: usize,
}

impl<C: Copy + PartialOrd + Default, const N: usize> Shortlist<C, N> {
    /// Empty.
    pub fn new() -> Self {
        Self { entries: [(C::default(), 0); N], len: 0 }
    }

    /// Takes the row if its cost is among the `N` least. Of two of equal cost the earlier stays ahead. A cost that cannot be compared (NaN)
    /// counts as the highest.
    #[inline]
    pub fn offer(&mut self, cost: C, row: u32) {
        if self.takes(cost) {
            self.insert(cost, row);
        }
    }

    /// Whether a row of that cost would be taken: to look closer at those few only.
    #[inline]
    pub fn takes(&self, cost: C) -> bool {
        self.len < N || before(cost, self.entries[N - 1].0)
    }

    fn insert(&mut self, cost: C, row: u32) {
        let mut at = self.len.min(N - 1);
        self.len = (self.len + 1).min(N);
        while at > 0 && before(cost, self.entries[at - 1].0) {
            self.entries[at] = self.entries[at - 1];
            at -= 1;
        }
        self.entries[at] = (cost, row);
    }

    /// The rows, least cost first.
    pub fn rows(&self) -> impl Iterator<Item = u32> {
        self.entries[..self.len].iter().map(|&(_, row)| row)
    }
}

/// Whether `a` costs less. What cannot be compared with itself is NaN.
#[inline]
fn before<C: Copy + PartialOrd>(a: C, b: C) -> bool {
    let is_nan = |cost: C| cost.partial_cmp(&cost).is_none();
    a < b || (is_nan(b) && !is_nan(a))
}

impl<C: Copy + PartialOrd + Default, const N: usize> Default for Shortlist<C, N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The rows with the least [load](crate::Row::load), at most 8; equals in random order.
pub fn least_loaded(candidates: &Candidates, seed: u64) -> Vec<u32> {
    let mut least = Shortlist::<f32, 8>::new();
    // Starting at a random row shares out the ties.
    let start = Rng::new(seed).below(u32::try_from(candidates.len()).unwrap_or(u32::MAX)) as usize;
    for row in candidates.rows().skip(start).chain(candidates.rows().take(start)) {
        least.offer(row.load(), row.index());
    }
    least.rows().collect()
}

#[cfg(test)]
mod tests {
    use super::{Shortlist, least_loaded};
    use crate::testing::{Machine, candidates};

    fn shortest(costs: &[f32]) -> Vec<u32> {
        let mut list = Shortlist::<f32, 3>::new();
        for (row, &cost) in (0..).zip(costs) {
            list.offer(cost, row);
        }
        list.rows().collect()
    }

    #[test]
    fn keeps_the_least_in_order() {
        assert_eq!(shortest(&[5.0, 1.0, 4.0, 2.0, 3.0]), [1, 3, 4]);
        assert_eq!(shortest(&[2.0, 1.0]), [1, 0]);
        assert_eq!(shortest(&[1.0, 1.0, 1.0, 1.0]), [0, 1, 2]);
    }

    #[test]
    fn a_cost_that_is_no_number_comes_last() {
        assert_eq!(shortest(&[f32::NAN, 2.0, f32::INFINITY, 1.0]), [3, 1, 2]);
        assert_eq!(shortest(&[f32::NAN, f32::NAN, 1.0]), [2, 0, 1]);
        assert_eq!(shortest(&[f32::NAN, f32::NAN, f32::NAN, 1.0, 2.0]), [3, 4, 0]);
    }

    #[test]
    fn the_least_loaded_comes_first_by_slots_and_weight() {
        let machines = [
            Machine::new(1).slots(4).used(2),
            Machine::new(2).slots(8).used(2),
            Machine::new(3).slots(8).used(2).weight(2.0),
        ];
        assert_eq!(least_loaded(&candidates(&machines), 9), [2, 1, 0]);
    }

    #[test]
    fn equals_are_shared_out() {
        let machines: Vec<Machine> = (0..10).map(Machine::new).collect();
        let mut first = [0; 10];
        for seed in 0..10_000 {
            first[least_loaded(&candidates(&machines), seed)[0] as usize] += 1;
        }
        assert!(first.iter().all(|count| (850..1150).contains(count)), "{first:?}");
    }
}
