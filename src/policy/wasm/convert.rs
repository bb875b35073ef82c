//! Between our words and those of the interface.

use std::time::Duration;

use super::bindings::exports::andera::routing::{feedback, priority, ranking, setup};
use super::error::Trouble;
use super::guest_log::cut;
use crate::policy::{Admission, Candidates, Directory, Outcome, RankContext, SubmissionView};
use crate::task::{AttemptOutcome, Mode, Priority, number_of, stable_hash};

/// Bytes of a rejection's reason.
const REASON_BYTES: usize = 500;

pub(super) fn context(context: &RankContext) -> ranking::Context {
    ranking::Context {
        lane: context.lane,
        function: context.function,
        priority: context.priority,
        attempt: context.attempt,
        mode: match context.mode {
            Mode::Sync => ranking::Mode::Sync,
            Mode::Stream => ranking::Mode::Stream,
            Mode::Webhook => ranking::Mode::Webhook,
            Mode::Async => ranking::Mode::Async,
        },
        age_ms: context.age_ms,
        body_bytes: context.body_bytes,
        key_hash: context.key_hash,
        tenant_hash: context.tenant_hash,
        now_ms: context.now_ms,
        seed: context.seed,
        tried: context.tried,
    }
}

pub(super) fn candidates(columns: &Candidates) -> ranking::Candidates<'_> {
    ranking::Candidates {
        worker: &columns.worker,
        slots: &columns.slots,
        used: &columns.used,
        in_flight: &columns.in_flight,
        queue: &columns.queue,
        cpu: &columns.cpu,
        memory: &columns.memory,
        report_age_ms: &columns.report_age_ms,
        latency_ms: &columns.latency_ms,
        failure_rate: &columns.failure_rate,
        weight: &columns.weight,
    }
}

pub(super) fn submission<'a>(submission: &SubmissionView<'a>) -> priority::Task<'a> {
    let hash = |text: Option<&str>| text.map_or(0, stable_hash);
    priority::Task {
        lane: submission.lane.number(),
        group: &submission.lane.group,
        contract: submission.lane.contract.as_f64(),
        function: number_of(submission.function),
        function_name: submission.function,
        priority: Priority::rank(submission.priority),
        mode: match submission.mode {
            Mode::Sync => priority::Mode::Sync,
            Mode::Stream => priority::Mode::Stream,
            Mode::Webhook => priority::Mode::Webhook,
            Mode::Async => priority::Mode::Async,
        },
        body_bytes: submission.body_bytes,
        key: submission.key,
        key_hash: hash(submission.key),
        tenant: submission.tenant,
        tenant_hash: hash(submission.tenant),
        now_ms: submission.now_ms,
        seed: submission.seed,
    }
}

pub(super) fn verdict(verdict: priority::Verdict) -> Result<Admission, Trouble> {
    match verdict {
        priority::Verdict::Accept(0) => Ok(Admission::Accepted(None)),
        priority::Verdict::Accept(number) => match Priority::new(number) {
            Some(priority) => Ok(Admission::Accepted(Some(priority))),
            None => Err(Trouble::invalid(format!("priority {number}"))),
        },
        priority::Verdict::Reject(rejection) => Ok(Admission::Rejected {
            reason: cut(&rejection.reason, REASON_BYTES),
            retry_after: rejection.retry_after_ms.map(|wait| Duration::from_millis(wait.into())),
        }),
    }
}

pub(super) fn outcome(outcome: &Outcome) -> feedback::Outcome {
    feedback::Outcome {
        worker: outcome.worker,
        lane: outcome.lane,
        function: outcome.function,
        attempt: outcome.attempt,
        key_hash: outcome.key_hash,
        tenant_hash: outcome.tenant_hash,
        latency_ms: outcome.latency_ms,
        ok: outcome.ending == AttemptOutcome::Completed,
        ending: match outcome.ending {
            AttemptOutcome::Completed => feedback::Ending::Completed,
            AttemptOutcome::Failed => feedback::Ending::Failed,
            AttemptOutcome::Disconnected => feedback::Ending::Disconnected,
            AttemptOutcome::TimedOut => feedback::Ending::TimedOut,
            AttemptOutcome::Cancelled | AttemptOutcome::Interrupted => feedback::Ending::Cancelled,
        },
        status: outcome.status.unwrap_or(0),
        ended_ms: outcome.ended_ms,
    }
}

/// Hands `told` the directory in the interface's words.
pub(super) fn directory<T>(directory: &Directory, told: impl FnOnce(setup::Directory<'_>) -> T) -> T {
    let tags: Vec<Vec<(&str, &str)>> = directory
        .workers
        .iter()
        .map(|worker| worker.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
        .collect();
    let workers: Vec<setup::Worker<'_>> = directory
        .workers
        .iter()
        .zip(&tags)
        .map(|(worker, tags)| setup::Worker { id: worker.id, url: &worker.url, tags })
        .collect();
    let lanes: Vec<setup::Lane<'_>> = directory
        .lanes
        .iter()
        .map(|lane| setup::Lane { id: lane.id, group: &lane.group, contract: lane.contract.as_f64() })
        .collect();
    let functions: Vec<setup::Function<'_>> =
        directory.functions.iter().map(|function| setup::Function { id: function.id, name: &function.name }).collect();
    told(setup::Directory { workers: &workers, lanes: &lanes, functions: &functions })
}
