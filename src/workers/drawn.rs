//! A draw of some workers out of many.

/// Of how many more candidates than are wanted all are shown: below that a draw saves nothing.
const WORTH_IT: usize = 2;

/// A draw of candidates by chance, for a policy that need not see all of them.
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    /// How many are wanted.
    pub most: usize,
    /// Where chance comes from.
    pub seed: u64,
}

/// What of a lane's workers was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// How many there were to choose from.
    pub with_room: usize,
    /// The worker that was to be left out was there to be left out: it is in the lane, and has not passed a health check since.
    pub left_out: bool,
}

impl Drawn {
    /// Which of `all` are drawn, each once: one out of each of as many parts of them as are wanted. All of them if that is not many more.
    pub(super) fn from(self, all: usize) -> impl Iterator<Item = usize> {
        let most = if all <= self.most * WORTH_IT { all } else { self.most };
        let mut chance = fastrand::Rng::with_seed(self.seed);
        (0..most).map(move |part| {
            let (start, end) = (part * all / most, (part + 1) * all / most);
            if most == all { start } else { chance.usize(start..end) }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn drawn(most: usize, all: usize, seed: u64) -> Vec<usize> {
        Drawn { most, seed }.from(all).collect()
    }

    #[test]
    fn few_are_all_shown() {
        assert_eq!(drawn(64, 0, 1), [0; 0]);
        assert_eq!(drawn(64, 128, 1), (0..128).collect::<Vec<_>>());
    }

    #[test]
    fn of_many_each_has_the_same_chance_and_none_is_drawn_twice() {
        let mut counts = vec![0; 1_000];
        for seed in 0..10_000 {
            let drawn = drawn(64, counts.len(), seed);
            assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 64);
            for at in drawn {
                counts[at] += 1;
            }
        }
        assert!(counts.iter().all(|count| (440..840).contains(count)), "{counts:?}");
    }
}
