//! What a ledger need not always know of a task.

use std::sync::Arc;

use super::standing::Standing;
use crate::queue::Settlement;
use crate::task::{Attempt, ErrorCode, StoredResult, TaskId, TaskRecord, TaskSpec};

/// Where a part of a task lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) struct Place {
    /// Where it begins.
    pub(in crate::queue) offset: u64,
    /// How long it is, in bytes.
    pub(in crate::queue) length: u32,
}

/// How a task ended, in detail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::queue) struct End {
    pub(in crate::queue) result: Option<StoredResult>,
    pub(in crate::queue) error: Option<Arc<str>>,
    pub(in crate::queue) code: Option<ErrorCode>,
}

/// What a ledger knows of a task that runs, or that it keeps nowhere else.
#[derive(Clone, Debug)]
pub(in crate::queue) struct Detail {
    pub(in crate::queue) spec: Arc<TaskSpec>,
    /// The attempts that have ended, oldest first.
    pub(in crate::queue) attempts: Vec<Attempt>,
    pub(in crate::queue) end: Option<End>,
}

impl Detail {
    /// The last attempt, if it is none of the `earlier` ones.
    pub(in crate::queue) fn last_attempt(&self, earlier: u32) -> Option<Attempt> {
        self.attempts.get(earlier as usize..).and_then(<[Attempt]>::last).cloned()
    }

    pub(in crate::queue) fn record(self, standing: &Standing) -> TaskRecord {
        let end = self.end.filter(|_| standing.state().is_ending()).unwrap_or_default();
        let same = self.spec.mode == standing.mode && self.spec.expires_at == standing.expires_at;
        TaskRecord {
            spec: if same { self.spec } else { Arc::new(self.spec.again(standing.expires_at)) },
            state: standing.state(),
            priority: standing.order.priority(),
            attempts: self.attempts,
            interruptions: u32::from(standing.interruptions),
            run_at: standing.phase.run_at(),
            finished_at: standing.phase.finished_at(),
            result: end.result,
            error: end.error,
            code: end.code,
            owes_notice: standing.owes_notice,
        }
    }
}

/// Where the store keeps what the ledger has let go of.
#[derive(Clone, Debug)]
pub(in crate::queue) struct Stored {
    pub(in crate::queue) id: TaskId,
    /// The fixed part.
    pub(in crate::queue) task: Place,
    /// The attempts, if there were any.
    pub(in crate::queue) history: Option<Place>,
    /// How it ended.
    pub(in crate::queue) end: Option<Place>,
    /// How it ended, if that is still on its way to the store.
    pub(in crate::queue) ending: Option<End>,
}

/// The detail of a task.
#[derive(Clone, Debug)]
pub(in crate::queue) enum Seen {
    /// It is here.
    Here(Box<Detail>),
    /// It is in the store.
    Stored(Box<Stored>),
}

/// What a claim finds of a task.
#[derive(Debug)]
pub(in crate::queue) enum Found {
    /// What it needs is here.
    Here { spec: Arc<TaskSpec>, last_attempt: Option<Attempt> },
    /// It is in the store.
    Stored(Box<Stored>),
}

/// What a settlement says beyond the state it leads to.
pub(super) struct Told {
    pub(super) attempt: Option<Attempt>,
    pub(super) end: End,
}

impl From<Settlement> for Told {
    fn from(settlement: Settlement) -> Self {
        match settlement {
            Settlement::Complete { attempt, result } => {
                Self { attempt: Some(attempt), end: End { result: Some(result), ..End::default() } }
            }
            Settlement::Fail { attempt, error, code, result } => {
                Self { attempt, end: End { result, error: Some(error), code: Some(code) } }
            }
            Settlement::Cancel { attempt, error, code } => {
                Self { attempt, end: End { result: None, error: Some(error), code: Some(code) } }
            }
            Settlement::Retry { attempt, .. } => Self { attempt: Some(attempt), end: End::default() },
        }
    }
}
