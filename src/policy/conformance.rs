//! What every policy must keep to, native or not: the checks that all of them run through.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Candidates, Policy, RankContext};
use crate::task::{Candidate, Mode};

/// Makes the policy in its starting state.
pub(crate) type Fresh<'a> = &'a dyn Fn() -> Arc<dyn Policy>;

/// A module of tests that hold the policy which `$fresh` makes (in its starting state) to every check of this file. For
/// policies that never say *wait*.
macro_rules! policy_conformance {
    ($module:ident, $fresh:expr) => {
        mod $module {
            use super::*;
            use $crate::policy::conformance;

            #[test]
            fn names_valid_and_distinct_rows_whatever_the_numbers() {
                conformance::names_valid_and_distinct_rows_whatever_the_numbers(&$fresh);
            }

            #[test]
            fn names_the_only_candidate() {
                conformance::names_the_only_candidate(&$fresh);
            }

            #[test]
            fn names_nobody_when_there_is_nobody() {
                conformance::names_nobody_when_there_is_nobody(&$fresh);
            }

            #[test]
            fn answers_the_same_to_the_same_history() {
                conformance::answers_the_same_to_the_same_history(&$fresh);
            }

            #[test]
            fn copes_with_ten_thousand_candidates() {
                conformance::copes_with_ten_thousand_candidates(&$fresh);
            }
        }
    };
}
pub(crate) use policy_conformance;

/// A plain context with that seed.
pub(crate) fn context(seed: u64) -> RankContext {
    RankContext {
        lane: 0,
        function: 0,
        priority: 0,
        attempt: 1,
        mode: Mode::Sync,
        age_ms: 0,
        body_bytes: 100,
        key_hash: 0,
        tenant_hash: 0,
        now_ms: 1_700_000_000_000,
        seed,
        tried: 0,
    }
}

/// The policy's answer.
pub(crate) fn rank(policy: &dyn Policy, context: &RankContext, candidates: &Candidates) -> Vec<u32> {
    let mut rows = Vec::new();
    policy.rank(context, candidates, &mut rows);
    rows
}

/// How often each row comes first, over `decisions` seeds.
pub(crate) fn first_choices(policy: &dyn Policy, candidates: &Candidates, decisions: u64) -> Vec<u32> {
    let mut chosen = vec![0; candidates.len()];
    // Seeds are random numbers in real life, not counted up.
    let mut seeds = fastrand::Rng::with_seed(42);
    for _ in 0..decisions {
        chosen[rank(policy, &context(seeds.u64(..)), candidates)[0] as usize] += 1;
    }
    chosen
}

pub(crate) fn names_valid_and_distinct_rows_whatever_the_numbers(fresh: Fresh<'_>) {
    proptest!(ProptestConfig::with_cases(96), |(history in prop::collection::vec((any_context(), any_candidates()), 1..4))| {
        let policy = fresh();
        for (context, candidates) in &history {
            check(policy.as_ref(), context, candidates);
        }
    });
}

pub(crate) fn names_the_only_candidate(fresh: Fresh<'_>) {
    proptest!(|(context in any_context(), candidate in any_candidate())| {
        prop_assert_eq!(rank(fresh().as_ref(), &context, &Candidates::from_iter([candidate])), [0]);
    });
}

pub(crate) fn names_nobody_when_there_is_nobody(fresh: Fresh<'_>) {
    assert!(rank(fresh().as_ref(), &context(1), &Candidates::default()).is_empty());
}

pub(crate) fn answers_the_same_to_the_same_history(fresh: Fresh<'_>) {
    proptest!(ProptestConfig::with_cases(96), |(history in prop::collection::vec((any_context(), any_candidates()), 1..4))| {
        let (one, other) = (fresh(), fresh());
        for (context, candidates) in &history {
            prop_assert_eq!(rank(one.as_ref(), context, candidates), rank(other.as_ref(), context, candidates));
        }
    });
}

pub(crate) fn copes_with_ten_thousand_candidates(fresh: Fresh<'_>) {
    let policy = fresh();
    let mut fleet: Vec<Candidate> = (0..10_000).map(usual_candidate).collect();
    let started = Instant::now();
    for seed in 0..20 {
        check(policy.as_ref(), &context(seed), &fleet.iter().copied().collect());
        fleet.reverse();
        fleet.rotate_left(101);
    }
    // A scan takes milliseconds at worst; anything quadratic, a minute.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

fn check(policy: &dyn Policy, context: &RankContext, candidates: &Candidates) {
    let rows = rank(policy, context, candidates);
    assert!(candidates.is_empty() || !rows.is_empty(), "nobody named of {}", candidates.len());
    assert!(rows.iter().all(|&row| (row as usize) < candidates.len()), "no such row: {rows:?} of {}", candidates.len());
    let mut distinct = rows.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), rows.len(), "a row twice: {rows:?}");
}

fn usual_candidate(worker: u32) -> Candidate {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let signal = (worker % 97) as f32;
    Candidate {
        worker,
        slots: 1 + worker % 16,
        used: worker % 5,
        in_flight: worker % 5,
        queue: 0,
        cpu: signal / 97.0,
        memory: signal,
        report_age_ms: worker % 1_000,
        latency_ms: signal * 3.0,
        failure_rate: if worker.is_multiple_of(13) { 0.3 } else { 0.0 },
        weight: 1.0,
    }
}

fn any_context() -> impl Strategy<Value = RankContext> {
    (any_whole(), any_whole(), any::<u64>(), 0_u32..4).prop_map(|(priority, attempt, random, lane)| RankContext {
        lane,
        priority,
        attempt,
        key_hash: random.rotate_left(7),
        now_ms: random.rotate_left(31),
        ..context(random)
    })
}

fn any_candidates() -> impl Strategy<Value = Candidates> {
    prop::collection::vec(any_candidate(), 0..25).prop_map(Candidates::from_iter)
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    (
        (any_whole(), any_whole(), any_whole(), any_whole(), any_whole(), any_whole()),
        (any_number(), any_number(), any_number(), any_number(), any_number()),
    )
        .prop_map(|((worker, slots, used, in_flight, queue, age), (cpu, memory, latency, failures, weight))| {
            Candidate {
                worker,
                slots,
                used,
                in_flight,
                queue,
                cpu,
                memory,
                report_age_ms: age,
                latency_ms: latency,
                failure_rate: failures,
                weight,
            }
        })
}

fn any_whole() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..20, 1 => Just(u32::MAX), 1 => Just(u32::MAX - 1), 1 => any::<u32>()]
}

fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => 0.0_f32..100.0,
        1 => prop::sample::select(vec![f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0]),
        1 => prop::sample::select(vec![f32::MAX, f32::MIN, f32::MIN_POSITIVE, -1.0, 1e-40]),
        1 => any::<f32>(),
    ]
}
