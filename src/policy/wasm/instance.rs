//! One instance of a policy: a store with its memory, and the calls into it.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;

use super::bindings::exports::andera::routing::{feedback, priority, ranking, setup};
use super::component::{Host, PolicyCode};
use super::convert;
use super::error::{LoadError, Trouble};
use super::guest_log::{GuestLog, cut};
use super::limits::{HANDLES, OUTPUT_BYTES, PolicyLimits, Usage};
use super::recorder::{InstanceRecorder, Recording};
use crate::policy::{Admission, Candidates, Directory, Outcome, RankContext, SubmissionView};

/// Bytes of a name or a version.
const NAME_BYTES: usize = 100;

/// What a policy says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyInfo {
    /// Its name; empty if it does not say.
    pub name: String,
    /// Its version; empty if it does not say.
    pub version: String,
    /// Whether it keeps something from one call to the next, by its own word.
    pub stateful: bool,
}

/// One instance of a policy. After [`Trouble`] that says so it cannot be called again.
pub(super) struct Instance {
    code: Arc<PolicyCode>,
    limits: PolicyLimits,
    store: Store<Host>,
    ranking: Option<ranking::Guest>,
    priority: Option<priority::Guest>,
    feedback: Option<feedback::Guest>,
    setup: Option<setup::Guest>,
    /// Rows seen in an answer, a bit each.
    seen: Vec<u64>,
    recorder: Option<InstanceRecorder>,
}

impl Instance {
    /// A new instance. Whatever its code does at the start has the load deadline.
    pub(super) fn new(code: &Arc<PolicyCode>, limits: PolicyLimits, log: &Arc<GuestLog>) -> Result<Self, LoadError> {
        let host = Host { usage: Usage::new(&limits), log: Arc::clone(log) };
        let mut store = Store::new(code.runtime.engine(), host);
        store.limiter(|host| &mut host.usage);
        store.set_hostcall_fuel(OUTPUT_BYTES);
        store.set_max_component_handles(HANDLES);
        store.epoch_deadline_trap();
        store.set_epoch_deadline(code.runtime.ticks(limits.load_deadline));
        let failed = |error: wasmtime::Error| LoadError::Failed { step: "its start", trouble: Trouble::of(&error) };
        let instance = code.pre.instantiate(&mut store).map_err(failed)?;
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(super::error::sentence(&error));
        let ranking = code.ranking.as_ref().map(|guest| guest.load(&mut store, &instance)).transpose();
        let priority = code.priority.as_ref().map(|guest| guest.load(&mut store, &instance)).transpose();
        let feedback = code.feedback.as_ref().map(|guest| guest.load(&mut store, &instance)).transpose();
        let setup = code.setup.as_ref().map(|guest| guest.load(&mut store, &instance)).transpose();
        Ok(Self {
            code: Arc::clone(code),
            limits,
            ranking: ranking.map_err(mismatch)?,
            priority: priority.map_err(mismatch)?,
            feedback: feedback.map_err(mismatch)?,
            setup: setup.map_err(mismatch)?,
            store,
            seen: Vec::new(),
            recorder: None,
        })
    }

    /// Has all calls from here on recorded.
    pub(super) fn record(&mut self, recording: &Recording) {
        self.recorder = Some(recording.begin());
    }

    /// What the policy says of itself.
    pub(super) fn describe(&mut self) -> Result<PolicyInfo, LoadError> {
        let info = self.set_up("describe", |setup, store| setup.call_describe(store))?;
        let Some(info) = info else { return Ok(PolicyInfo::default()) };
        let name = |text: &str| cut(text.trim(), NAME_BYTES);
        Ok(PolicyInfo { name: name(&info.name), version: name(&info.version), stateful: info.stateful })
    }

    /// Hands over the configuration.
    pub(super) fn configure(&mut self, json: &str) -> Result<(), LoadError> {
        let outcome = self.call_configure(json);
        if let Some(recorder) = &mut self.recorder {
            recorder.configured(json, &outcome);
        }
        outcome
    }

    fn call_configure(&mut self, json: &str) -> Result<(), LoadError> {
        let answer = self.set_up("configure", |setup, store| setup.call_configure(store, json))?;
        answer.unwrap_or(Ok(())).map_err(|refusal| LoadError::Refused(cut(&refusal, 500)))
    }

    /// Tells what there is.
    pub(super) fn topology(&mut self, directory: &Directory) -> Result<(), LoadError> {
        let outcome = self.call_topology(directory);
        if let Some(recorder) = &mut self.recorder {
            recorder.told(directory, &outcome);
        }
        outcome
    }

    fn call_topology(&mut self, directory: &Directory) -> Result<(), LoadError> {
        let tell = |setup: &setup::Guest, store: &mut Store<Host>| {
            convert::directory(directory, |directory| setup.call_topology(store, directory))
        };
        self.set_up("topology", tell).map(Option::unwrap_or_default)
    }

    /// Makes a call of those that set up, if the policy has them.
    fn set_up<T>(
        &mut self,
        step: &'static str,
        call: impl FnOnce(&setup::Guest, &mut Store<Host>) -> wasmtime::Result<T>,
    ) -> Result<Option<T>, LoadError> {
        let Some(setup) = &self.setup else { return Ok(None) };
        allow(&self.code, &mut self.store, self.limits.load_deadline);
        let answer = call(setup, &mut self.store);
        answer.map(Some).map_err(|error| LoadError::Failed { step, trouble: Trouble::of(&error) })
    }

    /// Writes rows that exist, each once, to `rows`, best first.
    pub(super) fn rank(
        &mut self,
        context: &RankContext,
        candidates: &Candidates,
        rows: &mut Vec<u32>,
        deadline: Duration,
    ) -> Result<(), Trouble> {
        let outcome = self.call_rank(context, candidates, rows, deadline);
        if let Some(recorder) = &mut self.recorder {
            recorder.ranked(context, candidates, &outcome, rows);
        }
        outcome
    }

    fn call_rank(
        &mut self,
        context: &RankContext,
        candidates: &Candidates,
        rows: &mut Vec<u32>,
        deadline: Duration,
    ) -> Result<(), Trouble> {
        let Some(ranking) = &self.ranking else { return Err(Trouble::invalid("it does not rank")) };
        allow(&self.code, &mut self.store, deadline);
        let answer = ranking.call_rank(&mut self.store, convert::context(context), convert::candidates(candidates));
        *rows = answer.map_err(|error| Trouble::of(&error))?;
        check(rows, candidates.len(), &mut self.seen)
    }

    /// What is to become of a submission.
    pub(super) fn prioritize(
        &mut self,
        submission: &SubmissionView<'_>,
        deadline: Duration,
    ) -> Result<Admission, Trouble> {
        let outcome = self.call_prioritize(submission, deadline);
        if let Some(recorder) = &mut self.recorder {
            recorder.prioritized(submission, &outcome);
        }
        outcome
    }

    fn call_prioritize(&mut self, submission: &SubmissionView<'_>, deadline: Duration) -> Result<Admission, Trouble> {
        let Some(priority) = &self.priority else { return Err(Trouble::invalid("it does not prioritize")) };
        allow(&self.code, &mut self.store, deadline);
        let verdict = priority.call_prioritize(&mut self.store, convert::submission(submission));
        convert::verdict(verdict.map_err(|error| Trouble::of(&error))?)
    }

    /// Tells what became of attempts.
    pub(super) fn observe(&mut self, outcomes: &[Outcome], deadline: Duration) -> Result<(), Trouble> {
        let outcome = self.call_observe(outcomes, deadline);
        if let Some(recorder) = &mut self.recorder {
            recorder.observed(outcomes, &outcome);
        }
        outcome
    }

    fn call_observe(&mut self, outcomes: &[Outcome], deadline: Duration) -> Result<(), Trouble> {
        let Some(feedback) = &self.feedback else { return Ok(()) };
        allow(&self.code, &mut self.store, deadline);
        let outcomes: Vec<_> = outcomes.iter().map(convert::outcome).collect();
        feedback.call_observe(&mut self.store, &outcomes).map_err(|error| Trouble::of(&error))
    }

    /// Bytes of its memories.
    pub(super) fn memory(&self) -> usize {
        self.store.data().usage.memory()
    }
}

/// The next call has so much time.
fn allow(code: &PolicyCode, store: &mut Store<Host>, deadline: Duration) {
    store.set_epoch_deadline(code.runtime.ticks(deadline));
}

/// Whether all rows exist and none is there twice.
fn check(rows: &[u32], candidates: usize, seen: &mut Vec<u64>) -> Result<(), Trouble> {
    if rows.len() > candidates {
        return Err(Trouble::invalid(format!("{} rows for {candidates} candidates", rows.len())));
    }
    seen.clear();
    seen.resize(candidates.div_ceil(64), 0);
    for &row in rows {
        if row as usize >= candidates {
            return Err(Trouble::invalid(format!("row {row} of {candidates} candidates")));
        }
        let (word, bit) = (row as usize / 64, 1 << (row % 64));
        if seen[word] & bit != 0 {
            return Err(Trouble::invalid(format!("row {row} twice")));
        }
        seen[word] |= bit;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_exist_and_each_once_are_valid() {
        let valid = |rows: &[u32], candidates| check(rows, candidates, &mut Vec::new()).is_ok();
        assert!(valid(&[], 3) && valid(&[2, 0, 1], 3) && valid(&[64, 0], 65));
        assert!(!valid(&[3], 3) && !valid(&[1, 1], 3) && !valid(&[u32::MAX], 65) && !valid(&[64, 3, 64], 65));
        assert!(!valid(&[0, 1, 2, 0], 3));
    }
}
