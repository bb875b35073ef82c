//! How often the native order took a policy's place lately.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::policy::{Failure, PolicyStatus, Scope};

/// Looks that are kept: with the pause between them, 5 minutes.
const KEPT: usize = 31;
/// So many, and their share of the decisions, are worth a word.
const MANY: (u64, f64) = (5, 0.01);

/// What the policies in force had decided at some moments of the last minutes.
#[derive(Debug, Default)]
pub(in crate::dashboard) struct Fallbacks(HashMap<Place, VecDeque<Look>>);

/// A policy where it is in force. Its file and its version make it another one.
type Place = (String, Arc<str>, Arc<str>);

#[derive(Debug)]
struct Look {
    decisions: u64,
    fallbacks: Vec<(Failure, u64)>,
}

/// A policy in whose place the native order decided more often than by chance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dashboard) struct FellBack {
    pub(in crate::dashboard) scope: String,
    pub(in crate::dashboard) policy: Arc<str>,
    pub(in crate::dashboard) decisions: u64,
    pub(in crate::dashboard) fallbacks: u64,
    /// The most frequent reason.
    pub(in crate::dashboard) reason: &'static str,
}

impl Fallbacks {
    /// Takes in how the policies are doing; to be called every 10 s.
    pub(super) fn note(&mut self, statuses: Vec<(Scope, PolicyStatus)>) {
        let mut before = std::mem::take(&mut self.0);
        for (scope, status) in statuses {
            let place = (scope.to_string(), Arc::clone(&status.policy), Arc::clone(&status.version));
            let mut looks = before.remove(&place).unwrap_or_default();
            if looks.back().is_some_and(|last| last.decisions > status.decisions) {
                // It was put in force anew.
                looks.clear();
            }
            if looks.len() == KEPT {
                looks.pop_front();
            }
            looks.push_back(Look { decisions: status.decisions, fallbacks: status.fallbacks });
            self.0.insert(place, looks);
        }
    }

    /// The policies that are worth a word, by where they are in force.
    pub(super) fn lately(&self) -> Vec<FellBack> {
        let mut found: Vec<FellBack> = self.0.iter().filter_map(|(place, looks)| fell_back(place, looks)).collect();
        found.sort_by(|left, right| left.scope.cmp(&right.scope));
        found
    }
}

fn fell_back((scope, policy, _): &Place, looks: &VecDeque<Look>) -> Option<FellBack> {
    let (first, last) = (looks.front()?, looks.back()?);
    let earlier =
        |reason: Failure| first.fallbacks.iter().find(|(failure, _)| *failure == reason).map_or(0, |(_, n)| *n);
    let new = || last.fallbacks.iter().map(|(failure, count)| (*failure, count.saturating_sub(earlier(*failure))));
    let decisions = last.decisions.saturating_sub(first.decisions);
    let fallbacks: u64 = new().map(|(_, count)| count).sum();
    #[expect(clippy::cast_precision_loss, reason = "a share of a count")]
    let is_much = fallbacks >= MANY.0 && fallbacks as f64 > decisions as f64 * MANY.1;
    let (reason, _) = new().max_by_key(|(_, count)| *count)?;
    is_much.then(|| FellBack {
        scope: scope.clone(),
        policy: Arc::clone(policy),
        decisions,
        fallbacks,
        reason: reason.word(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(fallbacks: &mut Fallbacks, decisions: u64, deadline: u64, trap: u64) {
        let failures = vec![(Failure::Deadline, deadline), (Failure::Trap, trap)];
        let status =
            PolicyStatus { policy: "wasm:mine".into(), decisions, fallbacks: failures, ..PolicyStatus::default() };
        fallbacks.note(vec![(Scope::Default, status)]);
    }

    #[test]
    fn more_than_one_in_a_hundred_is_worth_a_word_until_it_is_long_ago() {
        let mut fallbacks = Fallbacks::default();
        look(&mut fallbacks, 1_000, 200, 0);
        assert_eq!(fallbacks.lately(), [], "nobody saw when that was");
        look(&mut fallbacks, 2_000, 210, 0);
        assert_eq!(fallbacks.lately(), [], "one in a hundred");
        look(&mut fallbacks, 2_100, 211, 7);
        let [found] = &fallbacks.lately()[..] else { panic!("nothing") };
        assert_eq!((found.decisions, found.fallbacks, found.reason), (1_100, 18, "deadline"));
        for _ in 0..KEPT {
            look(&mut fallbacks, 2_200, 211, 7);
        }
        assert_eq!(fallbacks.lately(), []);
        look(&mut fallbacks, 3, 3, 0);
        assert_eq!(fallbacks.lately(), [], "it has begun anew");
    }
}
