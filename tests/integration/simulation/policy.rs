//! A policy with moods.

use std::sync::atomic::{AtomicBool, Ordering};

use andera_lb::policy::{Candidates, Policy, RankContext};

/// Ranks at random, says *wait* now and then, and names rows that do not exist; a pure function of the seed it is given.
#[derive(Debug, Default)]
pub(super) struct Moody {
    calm: AtomicBool,
}

impl Moody {
    pub(super) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }
}

impl Policy for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn rank(&self, context: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>) {
        assert!(!candidates.is_empty(), "the host never asks about nobody");
        let mood = context.seed % 100;
        if mood < 25 && !self.calm.load(Ordering::Relaxed) {
            return;
        }
        let count = u32::try_from(candidates.len()).unwrap();
        let first = u32::try_from(context.seed / 100 % u64::from(count)).unwrap();
        if mood < 35 {
            rows.extend([count + 7, first, first]);
        } else {
            rows.extend((0..count.min(3)).map(|step| (first + step) % count));
        }
    }
}
