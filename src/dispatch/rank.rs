//! Asking the policy where a task should go.

use std::sync::Arc;
use std::time::Duration;

use super::Dispatcher;
use super::aside::Waiter;
use super::lane::Lane;
use crate::policy::RankContext;
use crate::task::{Candidate, Choice, Priority, number_of, stable_hash};
use crate::workers::{Drawn, WorkerId};

/// A policy's answer, as workers.
#[derive(Default)]
pub(super) struct Decided {
    /// The workers in order of preference; empty means *wait*.
    candidates: Vec<Candidate>,
    took: Duration,
    /// There was nobody to choose from.
    pub(super) deserted: bool,
    policy: Arc<str>,
    version: Arc<str>,
    fallback: Option<Arc<str>>,
    choices: usize,
    left_out: Option<Arc<str>>,
}

impl Decided {
    pub(super) fn is_wait(&self) -> bool {
        self.candidates.is_empty()
    }

    /// In order of preference.
    pub(super) fn workers(&self) -> impl Iterator<Item = WorkerId> {
        self.candidates.iter().map(|candidate| WorkerId(candidate.worker))
    }

    /// Why the task goes to the worker that so many others were preferred to.
    pub(super) fn into_choice(self, preferred: usize) -> Choice {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Choice {
            policy: self.policy,
            version: self.version,
            fallback: self.fallback,
            rank: count(preferred).saturating_add(1),
            candidates: count(self.choices),
            took_us: u32::try_from(self.took.as_micros()).unwrap_or(u32::MAX),
            signals: self.candidates.get(preferred).copied().unwrap_or_default(),
            left_out: self.left_out,
        }
    }
}

impl Dispatcher {
    /// Asks the policy where a task should go.
    pub(super) async fn rank(&self, lane: &Lane, waiter: &Waiter) -> Decided {
        let mut candidates = lane.columns();
        let context = self.context(lane, waiter);
        let drawn = self.policy.looks_at(lane.key()).map(|most| Drawn { most, seed: !context.seed });
        let shown = lane.slots.candidates(waiter.excluded.as_ref(), drawn, &mut candidates);
        if candidates.is_empty() {
            lane.reuse(candidates);
            return Decided { deserted: true, ..Decided::default() };
        }
        let ranking = self.policy.rank(lane.key(), &context, &candidates).await;
        let ranked = ranking.rows.iter().filter_map(|row| candidates.row(*row as usize)).collect();
        lane.reuse(candidates);
        Decided {
            candidates: ranked,
            took: ranking.took,
            deserted: false,
            policy: ranking.policy,
            version: ranking.version,
            fallback: ranking.fallback,
            choices: shown.with_room,
            left_out: waiter.excluded.as_ref().filter(|_| shown.left_out).map(|excluded| Arc::clone(&excluded.worker)),
        }
    }

    fn context(&self, lane: &Lane, waiter: &Waiter) -> RankContext {
        let spec = &waiter.spec;
        let now = self.clock.now();
        let text_hash = |text: &Option<Arc<str>>| text.as_deref().map_or(0, stable_hash);
        let function = number_of(&spec.function);
        RankContext {
            lane: lane.number,
            function,
            priority: Priority::rank(waiter.priority),
            attempt: waiter.attempts + 1,
            mode: spec.mode,
            age_ms: u64::try_from(now.since(spec.created_at).as_millis()).unwrap_or(u64::MAX),
            body_bytes: spec.body.len() as u64,
            key_hash: text_hash(&spec.options.key),
            tenant_hash: text_hash(&spec.options.tenant),
            now_ms: u64::try_from(now.as_millis()).unwrap_or(0),
            seed: self.chance.number(),
            tried: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_tells_microseconds_and_never_wraps_around() {
        let took = |took| Decided { took, ..Decided::default() }.into_choice(0).took_us;
        assert_eq!(took(Duration::from_nanos(1_700)), 1);
        assert_eq!(took(Duration::from_hours(2)), u32::MAX);
    }
}
