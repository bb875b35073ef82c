//! A policy is called with everything that may come one day, before it is used.

mod inputs;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::{LoadError, Trouble};
use super::golden;
use super::instance::Instance;
use super::loader::{CheckedPolicy, Setup, fresh};
use crate::policy::{Directory, Failure, SubmissionView};

/// So often a call may miss its deadline, as a busy machine makes any policy slow.
const TRIES: u32 = 3;
/// Decisions in a row, and how long they may take together.
const CALLS: u32 = 10_000;
const TIME: Duration = Duration::from_secs(10);
/// Workers of a decision among those.
const CANDIDATES: u32 = 16;

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// What the policy was asked.
    pub name: String,
    /// Whether its answer can be used.
    pub ok: bool,
    /// Why not.
    pub reason: Option<String>,
    /// What else there is to know.
    pub note: Option<String>,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// Calls a policy with hostile inputs, those of each check in a fresh instance, with the limits it has in use. `progress` is told the name of
/// each check before it begins.
///
/// Takes seconds for a slow policy: not for threads that have other things to do.
pub fn hostile_checks(policy: &CheckedPolicy, progress: &mut dyn FnMut(&str)) -> Vec<CheckResult> {
    let mut checks = Checks { policy, progress, results: Vec::new() };
    let exports = policy.exports();
    if exports.contains(&"setup") {
        checks.directories();
    }
    if exports.contains(&"ranking") {
        checks.ranking();
    }
    if exports.contains(&"priority") {
        checks.priority();
    }
    if exports.contains(&"feedback") {
        checks.feedback();
    }
    checks.many_calls();
    checks.results
}

struct Checks<'a> {
    policy: &'a CheckedPolicy,
    progress: &'a mut dyn FnMut(&str),
    results: Vec<CheckResult>,
}

/// Why a check failed.
enum Failed {
    Load(LoadError),
    Call(Trouble),
}

impl From<LoadError> for Failed {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Call(trouble)
    }
}

impl Failed {
    fn is_late(&self) -> bool {
        let (Self::Call(trouble) | Self::Load(LoadError::Failed { trouble, .. })) = self else { return false };
        trouble.failure == Failure::Deadline
    }

    fn sentence(&self) -> String {
        match self {
            Self::Load(error) => error.to_string(),
            Self::Call(trouble) => format!("{}: {}", trouble.failure.word(), trouble.detail),
        }
    }
}

impl Checks<'_> {
    fn directories(&mut self) {
        for (name, directory) in inputs::directories() {
            self.told(&format!("topology: {name}"), Arc::new(directory));
        }
    }

    /// It is told a directory, then that there is nothing left, then the same again.
    fn told(&mut self, name: &str, directory: Arc<Directory>) {
        let ranks = self.policy.code.ranking.is_some();
        self.check(name, Arc::clone(&directory), move |instance, deadline| {
            for directory in [&Arc::default(), &directory] {
                instance.topology(directory)?;
                if ranks {
                    instance.rank(&golden::context(1), &golden::fleet(CANDIDATES), &mut Vec::new(), deadline)?;
                }
            }
            Ok(None)
        });
    }

    fn ranking(&mut self) {
        for (name, context, candidates) in inputs::decisions() {
            self.check(&format!("rank: {name}"), Arc::default(), move |instance, deadline| {
                instance.rank(&context, &candidates, &mut Vec::new(), deadline)?;
                Ok(None)
            });
        }
    }

    fn priority(&mut self) {
        for (name, submission) in inputs::submissions() {
            self.check(&format!("prioritize: {name}"), Arc::default(), move |instance, deadline| {
                instance.prioritize(&submission.view(), deadline)?;
                Ok(None)
            });
        }
    }

    fn feedback(&mut self) {
        for (name, outcomes) in inputs::outcomes() {
            self.check(&format!("observe: {name}"), Arc::default(), move |instance, deadline| {
                instance.observe(&outcomes, deadline)?;
                Ok(None)
            });
        }
    }

    /// Memory that still grows after thousands of calls about the same few workers and keys will be over one day.
    fn many_calls(&mut self) {
        let code = &self.policy.code;
        let (ranks, prioritizes) = (code.ranking.is_some(), code.priority.is_some());
        let (fleet, lane) = (golden::fleet(CANDIDATES), golden::lane());
        self.check(&format!("{CALLS} calls in a row"), Arc::default(), move |instance, deadline| {
            let (began, before) = (Instant::now(), instance.memory());
            let (mut half, mut calls, mut rows) = (before, 0, Vec::new());
            while calls < CALLS && began.elapsed() < TIME {
                let number = u64::from(calls);
                if ranks {
                    let context = inputs::context_of(number);
                    instance.rank(&context, &fleet, &mut rows, deadline)?;
                }
                if let (true, Some(lane)) = (prioritizes, &lane) {
                    let tenant = format!("tenant {}", number % 64);
                    let now_ms = inputs::NOW_MS + number;
                    let view =
                        SubmissionView { tenant: Some(&tenant), now_ms, seed: number, ..golden::submission(lane) };
                    instance.prioritize(&view, deadline)?;
                }
                instance.observe(&[inputs::outcome_of(number)], deadline)?;
                calls += 1;
                if calls == CALLS / 2 {
                    half = instance.memory();
                }
            }
            let after = instance.memory();
            let kb = |bytes: usize| bytes >> 10;
            let grows = if calls == CALLS && after > half { "; it still grows" } else { "" };
            Ok(Some(format!("memory {} KiB, after {calls} calls {} KiB{grows}", kb(before), kb(after))))
        });
    }

    fn check(
        &mut self,
        name: &str,
        directory: Arc<Directory>,
        calls: impl Fn(&mut Instance, Duration) -> Result<Option<String>, Failed>,
    ) {
        (self.progress)(name);
        let policy = self.policy;
        let setup = Setup { config: policy.setup.config.clone(), directory };
        let mut tries = 1;
        let (outcome, took) = loop {
            let began = Instant::now();
            let outcome = fresh(&policy.code, policy.limits, &policy.log, &setup, None)
                .map_err(Failed::from)
                .and_then(|mut instance| calls(&mut instance, policy.limits.deadline));
            let is_late = outcome.as_ref().is_err_and(Failed::is_late);
            if !is_late || tries == TRIES {
                break (outcome, began.elapsed());
            }
            tries += 1;
        };
        let (note, reason) = match outcome {
            Ok(note) => (note, None),
            Err(failed) => (None, Some(failed.sentence())),
        };
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.results.push(CheckResult { name: name.to_owned(), ok: reason.is_none(), reason, note, took_us });
    }
}
