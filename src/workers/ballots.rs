//! The votes of all lanes.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::contract::{Ballot, LaneFunctions};
use super::member::Member;
use super::{Slots, WorkerId};
use crate::task::LaneKey;

/// The votes of all lanes. Whatever a count changes is passed on under its lock, so that two counts never overtake each other.
#[derive(Debug, Default)]
pub(super) struct Ballots {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lanes: HashMap<LaneKey, Ballot>,
    voters: HashMap<WorkerId, (LaneKey, Arc<Member>)>,
}

impl Ballots {
    /// Takes in a worker's vote as it is now, and counts. True if that changed what is shown of any worker.
    pub(super) fn cast(&self, slots: &Slots, member: &Arc<Member>) -> bool {
        let mut inner = self.inner.lock();
        let vote = member.vote();
        let before = inner.voters.get(&member.id);
        if vote.is_none() && before.is_some_and(|(_, voter)| !Arc::ptr_eq(voter, member)) {
            // The worker was taken out of the list and put in again meanwhile: the vote is not this one's.
            return false;
        }
        let mut shown = false;
        let left =
            before.map(|(lane, _)| lane).filter(|lane| vote.as_ref().map(|(key, _)| key) != Some(*lane)).cloned();
        if let Some(lane) = left {
            inner.voters.remove(&member.id);
            if let Some(ballot) = inner.lanes.get_mut(&lane) {
                ballot.remove(member.id);
            }
            shown |= inner.count(slots, &lane);
        }
        if let Some((lane, mut vote)) = vote {
            let ballot = inner.lanes.entry(lane.clone()).or_default();
            if let Some(offer) = ballot.shared(&vote.offer).filter(|offer| !Arc::ptr_eq(offer, &vote.offer)) {
                vote.offer = Arc::clone(offer);
                member.share_offer(offer);
            }
            ballot.put(vote);
            inner.voters.insert(member.id, (lane.clone(), Arc::clone(member)));
            shown |= inner.count(slots, &lane);
        }
        shown
    }

    /// Counts all lanes anew after the workers' places in the list have changed.
    pub(super) fn reorder(&self, slots: &Slots) {
        let mut inner = self.inner.lock();
        let keys: Vec<LaneKey> = inner.lanes.keys().cloned().collect();
        for lane in keys {
            let Inner { lanes, voters } = &mut *inner;
            if let Some(ballot) = lanes.get_mut(&lane) {
                ballot.reorder(|worker| voters.get(&worker).map_or(usize::MAX, |(_, member)| member.place()));
            }
            inner.count(slots, &lane);
        }
    }
}

impl Inner {
    fn count(&mut self, slots: &Slots, key: &LaneKey) -> bool {
        let Some(ballot) = self.lanes.get_mut(key) else { return false };
        let outcome = ballot.count(key);
        let shown = !outcome.findings.is_empty();
        let lane = slots.lane(key);
        match outcome.functions {
            LaneFunctions::AsBefore => {}
            LaneFunctions::Unknown => lane.set_functions(None),
            LaneFunctions::Known(names) => lane.set_functions(Some(names)),
        }
        for (worker, finding) in outcome.findings {
            if let Some((_, member)) = self.voters.get(&worker) {
                member.judge(slots, finding);
            }
        }
        if ballot.is_empty() {
            self.lanes.remove(key);
            slots.forget_unused(&lane);
        }
        shown
    }
}
