//! The balancer's own word to webhooks: that their tasks have finally failed.
//!
//! The queue knows which tasks owe a notice. One is sent at once when its task ends here; whatever is owed beside that, from an earlier
//! process or for want of room, is found by looking. A notice is owed until it was delivered or given up: one that a crash cuts off is
//! sent again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::repeat::{BRIEF, PATIENT, until_clear};
use crate::queue::{OwedNotice, QueueError, TaskQueue};
use crate::task::{Clock, ErrorCode, Mode, TaskId, TaskRecord, TaskSpec, Timestamp};
use crate::upstream::{Notice, Notifier};

/// Notices under way at once; others wait in the queue.
const MOST_UNDER_WAY: usize = 1_000;
/// Notices looked at in one step.
const PAGE: usize = 500;
/// How often there is a look for notices that nobody has begun.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a notice may wait for room, or for its task to be readable. The task is kept so long, whatever the limits of retention say.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// When a task that could not be read is tried again.
const READ_PAUSE: Duration = Duration::from_mins(1);

/// The notices under way, and the look for others.
pub(super) struct Notices {
    queue: Arc<dyn TaskQueue>,
    notifier: Arc<dyn Notifier>,
    clock: Clock,
    /// What is owed from before has waited since then.
    started_at: Timestamp,
    under_way: Mutex<HashMap<TaskId, CancellationToken>>,
    /// One task for each notice under way; all end when `stopped` is set.
    tasks: TaskTracker,
    stopped: CancellationToken,
}

impl Notices {
    pub(super) fn new(
        queue: Arc<dyn TaskQueue>,
        notifier: Arc<dyn Notifier>,
        clock: Clock,
        stopped: CancellationToken,
    ) -> Self {
        let started_at = clock.now();
        let (under_way, tasks) = (Mutex::default(), TaskTracker::new());
        Self { queue, notifier, clock, started_at, under_way, tasks, stopped }
    }

    /// A task has failed, and that is in the queue: if a webhook waits for it, it is told.
    pub(super) fn failed(self: &Arc<Self>, spec: &TaskSpec) {
        if spec.mode == Mode::Webhook {
            self.begin(spec.id, None);
        }
    }

    /// A task runs again: what its webhook has not been told yet is an old story.
    pub(super) fn recall(&self, task: TaskId) {
        if let Some(recalled) = self.under_way.lock().get(&task) {
            recalled.cancel();
        }
    }

    /// Looks for what is owed until `end`.
    pub(super) async fn look_after_owed(self: &Arc<Self>, end: &CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let looks = async {
            loop {
                ticks.tick().await;
                if let Err(error) = self.look().await {
                    tracing::warn!(%error, "cannot see which webhooks are still to be told of failed tasks");
                }
            }
        };
        end.run_until_cancelled(looks).await;
    }

    /// Begins what is owed and not under way, oldest first, as far as there is room.
    async fn look(self: &Arc<Self>) -> Result<(), QueueError> {
        let mut after = None;
        loop {
            let page = self.queue.owed_notices(after, PAGE).await?;
            for notice in &page {
                let waits_since = notice.ended_at.max(self.started_at);
                let overdue = self.clock.now().since(waits_since) >= LONGEST_WAIT;
                if self.begin(notice.task, overdue.then_some(*notice)) {
                    continue;
                }
                if !overdue {
                    return Ok(());
                }
                tracing::warn!(task = %notice.task, "too many notices under way: a webhook is not told of its failed task");
                self.queue.notice_done(*notice).await?;
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().copied();
        }
    }

    /// Begins to tell the webhook of a task, unless that is under way; one that is `overdue` has no other try at reading whom to tell.
    /// `false` if there is no room.
    fn begin(self: &Arc<Self>, task: TaskId, overdue: Option<OwedNotice>) -> bool {
        let end = self.stopped.child_token();
        {
            let mut under_way = self.under_way.lock();
            let full = under_way.len() >= MOST_UNDER_WAY;
            match under_way.entry(task) {
                Entry::Occupied(_) => return true,
                Entry::Vacant(_) if full => return false,
                Entry::Vacant(place) => place.insert(end.clone()),
            };
        }
        let place = UnderWay { notices: Arc::clone(self), task };
        self.tasks.spawn(async move {
            end.run_until_cancelled(place.notices.see_through(task, overdue)).await;
            drop(place);
        });
        true
    }

    /// Tells the webhook of a task, if it owes that still, and the queue that it is done.
    async fn see_through(&self, task: TaskId, overdue: Option<OwedNotice>) {
        match until_clear(BRIEF, |_| self.queue.get(task)).await.answer {
            Ok(Some(record)) if record.owes_notice => self.tell(&record).await,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%task, %error, "cannot read whom to tell of a failed task");
                match overdue {
                    Some(notice) => self.done(notice).await,
                    None => tokio::time::sleep(READ_PAUSE).await,
                }
            }
        }
    }

    async fn tell(&self, record: &TaskRecord) {
        let task = record.spec.id;
        let Some(ended_at) = record.finished_at else { return };
        if let Some(target) = record.spec.webhook.clone() {
            let error = record.error.clone().unwrap_or_else(|| "The task has failed".into());
            let code = record.code.unwrap_or(ErrorCode::Internal);
            self.notifier.notify(Notice { task, ended_at, target, error, code }).await;
        }
        self.done(OwedNotice { ended_at, task }).await;
    }

    async fn done(&self, notice: OwedNotice) {
        if let Err(error) = until_clear(PATIENT, |_| self.queue.notice_done(notice)).await.answer {
            tracing::warn!(task = %notice.task, %error, "a webhook may be told of its failed task again");
        }
    }

    /// Waits for the notices under way, so long at most. What is not delivered by then is owed still.
    pub(super) async fn drain(&self, limit: Duration) {
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            let left = self.under_way.lock().len();
            tracing::warn!(
                left,
                "some webhooks are not told of failed tasks by now: with a queue that lasts, the next start does it"
            );
        }
    }

    /// Waits for what was stopped.
    pub(super) async fn ended(&self) {
        self.tasks.wait().await;
    }
}

/// The place of a notice among those under way.
struct UnderWay {
    notices: Arc<Notices>,
    task: TaskId,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.notices.under_way.lock().remove(&self.task);
    }
}

#[cfg(test)]
mod tests;
