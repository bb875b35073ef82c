//! Which functions a lane has: the majority of its workers decides.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use super::WorkerId;
use crate::task::LaneKey;

/// How many functions a reason names of each kind.
const NAMED_FUNCTIONS: usize = 5;

/// The functions that a worker publishes.
#[derive(Debug)]
pub(super) struct Offer {
    /// As published.
    pub(super) functions: Arc<Value>,
    /// The names alone.
    pub(super) names: Arc<HashSet<String>>,
    /// Params by name: what two workers of one lane must agree on.
    params: BTreeMap<String, Value>,
}

/// What the count says of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It publishes what the majority publishes.
    Valid,
    /// It does not; a sentence on what differs.
    Mismatch(Arc<str>),
}

/// One worker's vote on its lane's functions.
#[derive(Clone, Debug)]
pub(super) struct Vote {
    pub(super) worker: WorkerId,
    /// Its place in the workers file.
    pub(super) place: usize,
    /// Whether it is ready or in maintenance.
    pub(super) live: bool,
    pub(super) offer: Arc<Offer>,
}

/// The votes of one lane.
#[derive(Debug, Default)]
pub(super) struct Ballot {
    /// By place in the workers file.
    entries: Vec<Entry>,
    winner: Option<Arc<Offer>>,
}

#[derive(Debug)]
struct Entry {
    vote: Vote,
    finding: Option<Finding>,
}

/// What a count has changed.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) functions: LaneFunctions,
    /// New findings.
    pub(super) findings: Vec<(WorkerId, Finding)>,
}

/// What a lane's functions are after a count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum LaneFunctions {
    #[default]
    AsBefore,
    /// Nobody votes any more.
    Unknown,
    /// Others than before; their names.
    Known(Arc<HashSet<String>>),
}

impl Offer {
    /// Reads the `functions` of `/health`.
    pub(super) fn new(functions: Value) -> Self {
        let params: BTreeMap<String, Value> =
            functions.as_array().into_iter().flatten().filter_map(named_params).collect();
        Self { functions: Arc::new(functions), names: Arc::new(params.keys().cloned().collect()), params }
    }

    /// Same names and params, in whatever order.
    fn agrees(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        Arc::ptr_eq(self, other) || self.params == other.params
    }

    fn difference(&self, majority: &Self, lane: &LaneKey) -> String {
        let missing = majority.params.keys().filter(|name| !self.params.contains_key(*name));
        let extra = self.params.keys().filter(|name| !majority.params.contains_key(*name));
        let other =
            self.params.iter().filter(|(name, params)| majority.params.get(*name).is_some_and(|of| of != *params));
        let mut text = format!("its functions differ from those of most workers of {lane}:");
        let mut separator = " ";
        for (kind, names) in [
            ("missing", missing.collect::<Vec<_>>()),
            ("extra", extra.collect()),
            ("with other params", other.map(|(name, _)| name).collect()),
        ] {
            if names.is_empty() {
                continue;
            }
            let named = names.iter().take(NAMED_FUNCTIONS).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let _ = write!(text, "{separator}{kind} {named}");
            if names.len() > NAMED_FUNCTIONS {
                let _ = write!(text, " and {} more", names.len() - NAMED_FUNCTIONS);
            }
            separator = "; ";
        }
        text
    }
}

/// Missing params are the same as none.
fn named_params(function: &Value) -> Option<(String, Value)> {
    if let Value::String(name) = function {
        return Some((name.clone(), Value::Object(serde_json::Map::new())));
    }
    let name = function.get("name")?.as_str()?;
    let params = function.get("params").filter(|params| !params.is_null()).cloned();
    Some((name.to_owned(), params.unwrap_or_else(|| Value::Object(serde_json::Map::new()))))
}

impl Ballot {
    /// An offer that somebody has handed in already and that was published in the same words: keeps memory and comparisons
    /// small when a thousand workers publish the same.
    pub(super) fn shared(&self, offer: &Arc<Offer>) -> Option<&Arc<Offer>> {
        let known = self.winner.iter().chain(self.entries.iter().map(|entry| &entry.vote.offer).take(8));
        known.into_iter().find(|known| Arc::ptr_eq(known, offer) || known.functions == offer.functions)
    }

    /// Hands in a worker's vote, in place of an earlier one.
    pub(super) fn put(&mut self, vote: Vote) {
        let earlier = self.entries.iter().position(|entry| entry.vote.worker == vote.worker);
        let finding = earlier.and_then(|at| {
            let entry = self.entries.remove(at);
            entry.finding.filter(|_| Arc::ptr_eq(&entry.vote.offer, &vote.offer))
        });
        let at = self.entries.partition_point(|entry| entry.vote.place <= vote.place);
        self.entries.insert(at, Entry { vote, finding });
    }

    /// Takes a worker's vote back.
    pub(super) fn remove(&mut self, worker: WorkerId) {
        self.entries.retain(|entry| entry.vote.worker != worker);
    }

    /// Says where the workers stand in the file now.
    pub(super) fn reorder(&mut self, place: impl Fn(WorkerId) -> usize) {
        for entry in &mut self.entries {
            entry.vote.place = place(entry.vote.worker);
        }
        self.entries.sort_by_key(|entry| entry.vote.place);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Counts: those presently live vote, or all if none is; the most votes win, first in the file wins a tie.
    pub(super) fn count(&mut self, lane: &LaneKey) -> Outcome {
        let mut outcome = Outcome::default();
        let winner = self.majority();
        let same = match (&self.winner, &winner) {
            (Some(before), Some(now)) => before.agrees(now),
            (None, None) => true,
            _ => false,
        };
        if !same {
            outcome.functions = match &winner {
                Some(offer) => LaneFunctions::Known(Arc::clone(&offer.names)),
                None => LaneFunctions::Unknown,
            };
            self.winner.clone_from(&winner);
        }
        let Some(winner) = winner else { return outcome };
        for entry in &mut self.entries {
            if same && entry.finding.is_some() {
                continue;
            }
            let finding = if entry.vote.offer.agrees(&winner) {
                Finding::Valid
            } else {
                Finding::Mismatch(entry.vote.offer.difference(&winner, lane).into())
            };
            if entry.finding.as_ref() != Some(&finding) {
                outcome.findings.push((entry.vote.worker, finding.clone()));
                entry.finding = Some(finding);
            }
        }
        outcome
    }

    fn majority(&self) -> Option<Arc<Offer>> {
        let any_live = self.entries.iter().any(|entry| entry.vote.live);
        let mut offers: Vec<(&Arc<Offer>, usize)> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.vote.live || !any_live) {
            match offers.iter_mut().find(|(offer, _)| offer.agrees(&entry.vote.offer)) {
                Some((_, votes)) => *votes += 1,
                None => offers.push((&entry.vote.offer, 1)),
            }
        }
        // Of several maxima `max_by_key` takes the last, so it looks from the back.
        offers.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(offer, _)| Arc::clone(offer))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::task::Contract;

    fn offer(functions: Value) -> Arc<Offer> {
        Arc::new(Offer::new(functions))
    }

    fn lane() -> LaneKey {
        LaneKey::new("g", Contract::new(1.0).unwrap())
    }

    fn vote(worker: u32, live: bool, offer: &Arc<Offer>) -> Vote {
        Vote { worker: WorkerId(worker), place: worker as usize, live, offer: Arc::clone(offer) }
    }

    fn odd_ones(outcome: &Outcome) -> Vec<u32> {
        let mismatched = outcome.findings.iter().filter(|(_, finding)| *finding != Finding::Valid);
        mismatched.map(|(worker, _)| worker.0).collect()
    }

    #[test]
    fn the_order_of_functions_and_of_keys_makes_no_difference() {
        let text = r#"[{"name":"a","params":{"x":{"type":"string","required":true},"y":{}}},{"name":"b"}]"#;
        let other = r#"[{"params":{},"name":"b","description":"new"},{"name":"a","params":{"y":{},"x":{"required":true,"type":"string"}}}]"#;
        let (first, second) = (offer(serde_json::from_str(text).unwrap()), offer(serde_json::from_str(other).unwrap()));
        assert!(first.agrees(&second));
        assert!(!first.agrees(&offer(json!([{"name": "a"}, {"name": "b"}]))));
    }

    #[test]
    fn the_majority_wins_and_the_reason_names_what_differs() {
        let most = offer(json!([{"name": "a"}, {"name": "b", "params": {"x": 1}}]));
        let odd = offer(json!([{"name": "b", "params": {"x": 2}}, {"name": "c"}]));
        let mut ballot = Ballot::default();
        ballot.put(vote(0, true, &odd));
        ballot.put(vote(1, true, &most));
        ballot.put(vote(2, true, &most));
        let outcome = ballot.count(&lane());
        assert_eq!(outcome.functions, LaneFunctions::Known(Arc::clone(&most.names)));
        let expected =
            "its functions differ from those of most workers of g/1: missing a; extra c; with other params b";
        assert!(outcome.findings.contains(&(WorkerId(0), Finding::Mismatch(expected.into()))), "{outcome:?}");
        assert_eq!(odd_ones(&outcome), [0]);
    }

    #[test]
    fn the_first_in_the_file_wins_a_tie_whoever_came_first() {
        let (a, b) = (offer(json!(["a"])), offer(json!(["b"])));
        let mut ballot = Ballot::default();
        ballot.put(vote(1, true, &b));
        ballot.count(&lane());
        ballot.put(vote(0, true, &a));
        assert_eq!(odd_ones(&ballot.count(&lane())), [1]);
        ballot.reorder(|worker| 1 - worker.0 as usize);
        assert_eq!(odd_ones(&ballot.count(&lane())), [0]);
    }

    #[test]
    fn only_the_living_vote_unless_there_are_none() {
        let (old, new) = (offer(json!(["old"])), offer(json!(["new"])));
        let mut ballot = Ballot::default();
        ballot.put(vote(0, false, &old));
        ballot.put(vote(1, false, &old));
        ballot.put(vote(2, true, &new));
        assert_eq!(odd_ones(&ballot.count(&lane())), [0, 1]);
        ballot.put(vote(2, false, &new));
        assert_eq!(odd_ones(&ballot.count(&lane())), [2]);
    }

    #[test]
    fn a_count_without_news_changes_nothing_and_the_last_vote_leaves_nothing() {
        let a = offer(json!(["a"]));
        let mut ballot = Ballot::default();
        ballot.put(vote(0, true, &a));
        ballot.count(&lane());
        ballot.put(vote(0, false, &a));
        let quiet = ballot.count(&lane());
        assert!(quiet.functions == LaneFunctions::AsBefore && quiet.findings.is_empty());
        ballot.remove(WorkerId(0));
        assert_eq!(ballot.count(&lane()).functions, LaneFunctions::Unknown);
    }
}
