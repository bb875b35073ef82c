//! One action for all tasks that match a filter.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::change::may_run_again;
use super::submit::refusal;
use super::{CancelOutcome, Dispatcher, Refusal};
use crate::queue::TaskFilter;
use crate::task::{ErrorCode, TaskRecord, TaskState};

/// Tasks looked at in one step; their records are in memory meanwhile.
const TASKS_AT_ONCE: usize = 100;

/// What may be asked for many tasks at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkAction {
    /// Run those that have ended again.
    Retry,
    /// End those that have not ended.
    Cancel,
    /// Forget those that have ended.
    Remove,
}

/// What an action on many tasks has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkReport {
    /// Tasks that match the filter.
    pub matched: u64,
    /// Tasks that the action was done to. One that runs has been told to stop.
    pub done: u64,
    /// Tasks that match, but stand so that the action means nothing to them.
    pub skipped: u64,
    /// Why it ended before its time.
    pub stopped: Option<Refusal>,
}

impl BulkAction {
    /// Every action there is.
    pub const ALL: [Self; 3] = [Self::Retry, Self::Cancel, Self::Remove];

    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Remove => "remove",
        }
    }

    fn fits(self, record: &TaskRecord) -> bool {
        match self {
            Self::Retry => may_run_again(record).is_ok(),
            Self::Cancel => !record.state.is_ending(),
            Self::Remove => record.state.is_ending(),
        }
    }
}

impl Dispatcher {
    /// Does something to all tasks that match, newest first, each once; with `dry_run` they are only counted. Tasks submitted later
    /// are left alone. Dropping the future leaves what has been done by then.
    pub async fn act_on_all(self: &Arc<Self>, action: BulkAction, filter: TaskFilter, dry_run: bool) -> BulkReport {
        let now = self.clock.now().after(Duration::from_millis(1));
        let until = filter.until.map_or(now, |until| until.min(now));
        let filter = TaskFilter { until: Some(until), before: None, limit: TASKS_AT_ONCE, ..filter };
        let mut report = BulkReport::default();
        // The queue forgets by filter: the tasks are counted first.
        let counts_only = dry_run || action == BulkAction::Remove;
        let mut walked = self.walk(action, filter.clone(), counts_only, &mut report).await;
        if walked.is_ok() && !dry_run && action == BulkAction::Remove {
            walked = self.forget_all(filter).await.map(|forgotten| report.done = forgotten);
        }
        report.stopped = walked.err();
        if !dry_run {
            let (matched, done) = (report.matched, report.done);
            tracing::info!(action = action.word(), matched, done, "an action on many tasks");
        }
        report
    }

    /// Goes through the matching tasks page by page. Ids grow with time and a page ends where the next begins, so a task that is run
    /// again does not come up twice.
    async fn walk(
        self: &Arc<Self>,
        action: BulkAction,
        mut filter: TaskFilter,
        counts_only: bool,
        report: &mut BulkReport,
    ) -> Result<(), Refusal> {
        loop {
            if self.is_draining() {
                return Err(Refusal::shutting_down());
            }
            if let Some(worker) = &filter.worker {
                filter.on_worker_now = self.flights.sent_to(worker);
            }
            let page = self.queue.list(&filter).await.map_err(|error| refusal(&error))?;
            report.matched += page.tasks.len() as u64;
            let (fitting, others): (Vec<_>, Vec<_>) = page.tasks.into_iter().partition(|record| action.fits(record));
            report.skipped += others.len() as u64;
            if !counts_only {
                let outcomes = join_all(fitting.iter().map(|record| self.act(action, record))).await;
                let mut stopped = Ok(());
                for outcome in outcomes {
                    match outcome {
                        Ok(true) => report.done += 1,
                        Ok(false) => report.skipped += 1,
                        Err(refusal) => stopped = Err(refusal),
                    }
                }
                stopped?;
            }
            match page.next {
                Some(next) => filter.before = Some(next),
                None => return Ok(()),
            }
            // Others have their turn, and a client that has left is noticed.
            tokio::task::yield_now().await;
        }
    }

    /// Does it to one task; `false` if it stands otherwise by now. An error is one that the next task would meet too.
    async fn act(self: &Arc<Self>, action: BulkAction, record: &TaskRecord) -> Result<bool, Refusal> {
        match action {
            BulkAction::Retry => match self.run_again(record).await {
                Ok(()) => Ok(true),
                Err(refusal) if matches!(refusal.code, ErrorCode::TaskNotEnded | ErrorCode::TaskNotFound) => Ok(false),
                Err(refusal) => Err(refusal),
            },
            BulkAction::Cancel => {
                let outcome = self.cancel(record.spec.id).await.map_err(|error| refusal(&error))?;
                Ok(matches!(outcome, CancelOutcome::Done | CancelOutcome::Stopping))
            }
            BulkAction::Remove => Ok(false),
        }
    }

    async fn forget_all(&self, mut filter: TaskFilter) -> Result<u64, Refusal> {
        if filter.states.is_empty() {
            filter.states = TaskState::ALL.to_vec();
        }
        filter.states.retain(|state| state.is_ending());
        if filter.states.is_empty() {
            return Ok(0);
        }
        self.queue.purge(&filter).await.map_err(|error| refusal(&error))
    }
}
