//! One task in a ledger.

use std::sync::Arc;

use super::detail::{Detail, End, Found, Place, Seen, Stored, Told};
use super::order::Order;
use super::standing::{Phase, Standing};
use crate::queue::{NewTask, Settled, Settlement};
use crate::task::{ErrorCode, Mode, TaskId, TaskSpec, Timestamp};

/// What a task costs beyond its texts, roughly.
const ENTRY_BYTES: usize = 512;

/// The place of what the store does not have yet.
const NOWHERE: Place = Place { offset: 0, length: 0 };

/// One task in a ledger. Small, since there may be millions.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: TaskId,
    pub(super) standing: Standing,
    /// The token of the claim that was settled last, and what that did.
    pub(super) settled: Option<(u32, Settled)>,
    /// Where the store has the fixed part.
    task_offset: u64,
    /// How long it is there; 0 until it is there.
    task_length: u32,
    /// Whether it may be run at most once.
    pub(super) runs_once: bool,
    /// Whether it holds an idempotency key.
    pub(super) keyed: bool,
    rest: Option<Box<Rest>>,
    detail: Option<Box<Detail>>,
}

/// What only tasks that have been run, or have ended, have.
#[derive(Debug, Default)]
struct Rest {
    history: Option<(Place, u32)>,
    end: Option<(Place, u32)>,
    /// An end on its way to the store, of a task whose detail is not here.
    ending: Option<End>,
}

/// What the store has written of a task.
#[derive(Clone, Copy, Debug)]
pub(in crate::queue) struct Written {
    /// The standing that was written, or was written along.
    pub(in crate::queue) version: u32,
    pub(in crate::queue) place: Place,
    pub(in crate::queue) part: Part,
}

/// Which part of a task a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Part {
    /// The fixed part.
    Task,
    /// What changes.
    Change { attempts: bool, end: bool },
}

impl Entry {
    pub(super) fn new(task: NewTask, sequence: u64, now: Timestamp) -> Self {
        let spec = task.spec;
        let standing = Standing {
            phase: Phase::waiting(task.run_at.filter(|at| *at > now)),
            order: Order::new(task.priority, sequence),
            expires_at: spec.expires_at,
            version: 0,
            attempts: 0,
            earlier: 0,
            interruptions: 0,
            mode: spec.mode,
            owes_notice: false,
        };
        let mut entry =
            Self::stored(spec.id, standing, NOWHERE, spec.options.attempts == Some(1), spec.idempotency.is_some());
        entry.detail = Some(Box::new(Detail { spec, attempts: Vec::new(), end: None }));
        entry
    }

    /// A task of which the store has everything.
    pub(super) fn stored(id: TaskId, standing: Standing, task: Place, runs_once: bool, keyed: bool) -> Self {
        let Place { offset, length } = task;
        Self {
            id,
            standing,
            settled: None,
            task_offset: offset,
            task_length: length,
            runs_once,
            keyed,
            rest: None,
            detail: None,
        }
    }

    const fn task(&self) -> Place {
        Place { offset: self.task_offset, length: self.task_length }
    }

    pub(super) fn detail(&self) -> Option<&Detail> {
        self.detail.as_deref()
    }

    /// Moves the task on. What was known of its end is of no use any more unless it has one.
    pub(super) fn change(&mut self, phase: Phase) {
        self.standing.phase = phase;
        self.standing.owes_notice = matches!(phase, Phase::Failed(_)) && self.standing.mode == Mode::Webhook;
        self.standing.version += 1;
    }

    /// The webhook has been told of the task's failure, or never will be.
    pub(super) fn notice_is_done(&mut self) {
        self.standing.owes_notice = false;
        self.standing.version += 1;
    }

    /// Takes in the outcome of a run, or the end of a wait. The caller moves the task to the state it leads to. What it gives is for
    /// the store: whether the attempts have changed.
    pub(super) fn apply(&mut self, settlement: Settlement) -> bool {
        let is_end = settlement.state().is_ending();
        let Told { attempt, end } = settlement.into();
        let attempted = attempt.is_some();
        self.standing.attempts += u32::from(attempted);
        match &mut self.detail {
            Some(detail) => {
                detail.attempts.extend(attempt);
                detail.end = is_end.then_some(end);
            }
            None => self.rest.get_or_insert_default().ending = is_end.then_some(end),
        }
        attempted
    }

    /// How the task ended, if that is here.
    pub(super) fn end(&self) -> Option<&End> {
        let ending = || self.rest.as_ref().and_then(|rest| rest.ending.as_ref());
        self.detail().map_or_else(ending, |detail| detail.end.as_ref())
    }

    pub(super) fn code(&self) -> Option<ErrorCode> {
        self.end().and_then(|end| end.code)
    }

    /// Turns a task that has ended into one that waits, at that place of its lane.
    pub(super) fn begin_again(&mut self, sequence: u64, expires_at: Timestamp) {
        let priority = self.standing.order.priority();
        if self.standing.mode == Mode::Sync {
            self.standing.mode = Mode::Async;
        }
        self.standing.order = Order::new(priority, sequence);
        self.standing.expires_at = expires_at;
        self.standing.earlier = self.standing.attempts;
        self.standing.interruptions = 0;
        if let Some(detail) = &mut self.detail {
            detail.spec = Arc::new(detail.spec.again(expires_at));
            detail.end = None;
        }
        if let Some(rest) = &mut self.rest {
            rest.ending = None;
        }
        self.change(Phase::Queued);
    }

    /// Bytes the task keeps, roughly.
    pub(super) fn bytes(&self) -> u64 {
        let result = self.end().and_then(|end| end.result.as_ref()).map_or(0, |result| result.body.len());
        let stored = || self.places().into_iter().flatten().map(|place| place.length as usize).sum();
        let fixed = self.detail().map_or_else(stored, |Detail { spec, .. }| {
            spec.body.len() + spec.idempotency.as_ref().map_or(0, |idempotency| idempotency.key.as_str().len())
        });
        (ENTRY_BYTES + fixed + result) as u64
    }

    /// What the ledger knows of the task's detail.
    pub(super) fn seen(&self) -> Seen {
        match &self.detail {
            Some(detail) => Seen::Here(detail.clone()),
            None => Seen::Stored(Box::new(self.stored_parts())),
        }
    }

    /// What a claim of the task needs.
    pub(super) fn found(&self) -> Found {
        match &self.detail {
            Some(detail) => {
                Found::Here { spec: Arc::clone(&detail.spec), last_attempt: detail.last_attempt(self.standing.earlier) }
            }
            None => Found::Stored(Box::new(self.stored_parts())),
        }
    }

    fn stored_parts(&self) -> Stored {
        let rest = self.rest.as_deref();
        Stored {
            id: self.id,
            task: self.task(),
            history: rest.and_then(|rest| rest.history).map(|(place, _)| place),
            end: rest.and_then(|rest| rest.end).map(|(place, _)| place),
            ending: rest.and_then(|rest| rest.ending.clone()),
        }
    }

    /// Has what the store gave back; gives the task as it is to be run.
    pub(super) fn warm(&mut self, mut detail: Detail) -> Arc<TaskSpec> {
        let standing = &self.standing;
        let detail = self.detail.get_or_insert_with(|| {
            if detail.spec.mode != standing.mode || detail.spec.expires_at != standing.expires_at {
                detail.spec = Arc::new(detail.spec.again(standing.expires_at));
            }
            detail.end = None;
            Box::new(detail)
        });
        Arc::clone(&detail.spec)
    }

    /// Lets go of what the store has.
    pub(super) fn cool(&mut self) {
        self.detail = None;
        if let Some(rest) = &mut self.rest {
            rest.ending = None;
        }
    }

    /// Where the store has the parts of the task; each place once.
    pub(super) fn places(&self) -> [Option<Place>; 3] {
        let task = Some(self.task()).filter(|task| *task != NOWHERE);
        let history = self.rest.as_ref().and_then(|rest| rest.history).map(|(place, _)| place);
        let end = self.rest.as_ref().and_then(|rest| rest.end).map(|(place, _)| place);
        [task, history, end.filter(|end| Some(*end) != history)]
    }

    /// Takes down where the store has a part, unless it has a later form of it. What is not needed there any more is seen by comparing
    /// [`Self::places`].
    pub(super) fn written(&mut self, written: Written) {
        let Written { version, place, part } = written;
        let Part::Change { attempts, end } = part else {
            (self.task_offset, self.task_length) = (place.offset, place.length);
            return;
        };
        let ended = self.standing.state().is_ending();
        if attempts || end {
            let rest = self.rest.get_or_insert_default();
            if attempts && rest.history.is_none_or(|(_, known)| known <= version) {
                rest.history = Some((place, version));
            }
            if end && rest.end.is_none_or(|(_, known)| known <= version) {
                rest.end = Some((place, version));
            }
        }
        if let Some(rest) = &mut self.rest
            && !ended
        {
            rest.end = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A million tasks that wait are to cost less than 250 MB; the entry is the largest part of each.
    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 104, "{} bytes", size_of::<Entry>());
    }
}
