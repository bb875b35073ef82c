//! Trying a policy out before anything depends on it.

use std::time::{Duration, Instant};

use super::component::PolicyCode;
use super::error::{LoadError, Trouble};
use super::instance::Instance;
use super::limits::PolicyLimits;
use super::record::SWIFT;
use crate::policy::{Candidates, Outcome, RankContext, SubmissionView};
use crate::task::{AttemptOutcome, Candidate, Contract, LaneKey, Mode};

const CANDIDATES: u32 = 16;
/// Calls to see how fast it is, and the time for them.
const CALLS: u32 = 200;
const WARM_UP: u32 = 8;
const TIME: Duration = Duration::from_millis(50);

/// Makes one call of each kind in an instance that is not used for anything else. Whether it ranks fast enough to do so on any thread.
pub(super) fn try_out(code: &PolicyCode, instance: &mut Instance, limits: &PolicyLimits) -> Result<bool, LoadError> {
    let failed = |step| move |trouble: Trouble| LoadError::Failed { step, trouble };
    let mut swift = false;
    if code.ranking.is_some() {
        let rank = |instance: &mut Instance, candidates: &Candidates, seed| {
            instance.rank(&context(seed), candidates, &mut Vec::new(), limits.load_deadline).map_err(failed("rank"))
        };
        rank(instance, &fleet(1), 1)?;
        rank(instance, &fleet(CANDIDATES), 2)?;
        swift = is_swift(|seed| rank(instance, &fleet(CANDIDATES), seed))?;
    }
    if let (Some(_), Some(lane)) = (&code.priority, lane()) {
        instance.prioritize(&submission(&lane), limits.load_deadline).map_err(failed("prioritize"))?;
    }
    instance.observe(&[outcome()], limits.load_deadline).map_err(failed("observe"))?;
    Ok(swift)
}

fn is_swift(mut rank: impl FnMut(u64) -> Result<(), LoadError>) -> Result<bool, LoadError> {
    let began = Instant::now();
    let (mut calls, mut slow) = (0, 0);
    for seed in 0..WARM_UP + CALLS {
        let started = Instant::now();
        rank(seed.into())?;
        if seed >= WARM_UP {
            calls += 1;
            slow += u32::from(started.elapsed() >= SWIFT);
        }
        if began.elapsed() >= TIME {
            break;
        }
    }
    Ok(calls >= CALLS / 2 && slow <= calls / 100)
}

/// As a decision looks on a quiet day.
pub(super) fn context(seed: u64) -> RankContext {
    RankContext {
        lane: 1,
        function: 1,
        priority: 0,
        attempt: 1,
        mode: Mode::Sync,
        age_ms: 2,
        body_bytes: 512,
        key_hash: 0,
        tenant_hash: 0,
        now_ms: 1_750_000_000_000,
        seed,
        tried: 0,
    }
}

pub(super) fn fleet(workers: u32) -> Candidates {
    (0..workers)
        .map(|worker| Candidate {
            worker,
            slots: 8,
            used: worker % 8,
            in_flight: worker % 8,
            cpu: 0.5,
            memory: 40.0,
            report_age_ms: 1_000,
            latency_ms: 25.0,
            weight: 1.0,
            ..Candidate::default()
        })
        .collect()
}

pub(super) fn lane() -> Option<LaneKey> {
    Contract::new(1.0).map(|contract| LaneKey::new("default", contract))
}

pub(super) fn submission(lane: &LaneKey) -> SubmissionView<'_> {
    SubmissionView {
        lane,
        function: "echo",
        priority: None,
        mode: Mode::Sync,
        body_bytes: 512,
        key: None,
        tenant: Some("tenant"),
        now_ms: 1_750_000_000_000,
        seed: 1,
    }
}

pub(super) fn outcome() -> Outcome {
    Outcome {
        worker: 0,
        lane: 1,
        function: 1,
        attempt: 1,
        key_hash: 0,
        tenant_hash: 0,
        latency_ms: 25.0,
        ending: AttemptOutcome::Completed,
        status: Some(200),
        ended_ms: 1_750_000_000_000,
    }
}
