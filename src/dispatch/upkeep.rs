//! What dispatch does on the side: renews leases, hears what the queue does by itself, looks for notices that are owed, reads the inbox.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use super::flights::StopReason;
use super::join::stored_reply;
use super::repeat::{PATIENT, until_clear};
use super::{Dispatcher, Refusal, Reply, TaskEvent};
use crate::queue::{Ending, QueueError, QueueEvent};
use crate::task::{ErrorCode, TaskId, TaskState};

/// How often tasks that somebody waits for are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Leases renewed in one call.
const RENEWED_AT_ONCE: usize = 1_000;

impl Dispatcher {
    /// Runs until the drain is over. Without it nothing runs that could not start at its submission.
    pub async fn run_upkeep(self: Arc<Self>) {
        let notices = self.notices.look_after_owed(&self.draining);
        tokio::join!(
            self.wake_waiting_lanes(),
            self.renew_leases(),
            self.hear_queue(),
            self.look_at_awaited(),
            self.read_inbox(),
            self.tell_others(),
            notices
        );
    }

    /// Gives every lane in which tasks wait its pump: those that were there before this process.
    async fn wake_waiting_lanes(self: &Arc<Self>) {
        let counts = until_clear(PATIENT, |_| self.queue.counts());
        let Some(counts) = self.stopped.run_until_cancelled(counts).await else { return };
        match counts.answer {
            Ok(lanes) => {
                for lane in lanes.iter().filter(|lane| lane.counts.queued + lane.counts.delayed > 0) {
                    self.lane(&lane.lane).wake();
                }
            }
            Err(error) => tracing::warn!(%error, "cannot see which lanes have tasks"),
        }
    }

    async fn renew_leases(&self) {
        let lease = self.settings.lease;
        let mut ticks = tokio::time::interval((lease / 3).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Soon enough that some tries may fail before a lease has run out.
        let repeat = (lease / 15).max(Duration::from_millis(1));
        loop {
            tokio::select! {
                biased;
                () = self.stopped.cancelled() => return,
                _ = ticks.tick() => {}
            }
            for leases in self.flights.leases().chunks(RENEWED_AT_ONCE) {
                let renewed = self.queue.renew(leases, lease).await;
                let unclear = |renewed: &&Result<(), QueueError>| {
                    renewed.as_ref().is_err_and(|error| *error != QueueError::LeaseLost)
                };
                if let Some(Err(error)) = renewed.iter().find(unclear) {
                    let leases = renewed.iter().filter(unclear).count();
                    tracing::warn!(leases, %error, "cannot renew leases");
                    ticks.reset_after(repeat);
                }
                for (lease, renewed) in leases.iter().zip(renewed) {
                    if renewed == Err(QueueError::LeaseLost) {
                        self.flights.stop_lease(lease, StopReason::LeaseLost);
                    }
                }
            }
        }
    }

    async fn hear_queue(self: &Arc<Self>) {
        let mut events = self.queue.events();
        loop {
            let event = tokio::select! {
                biased;
                () = self.stopped.cancelled() => return,
                event = events.recv() => event,
            };
            match event {
                Ok(QueueEvent::Claimable(lane)) => self.lane(&lane).wake(),
                Ok(QueueEvent::Ended(ending)) => {
                    if self.stopped.run_until_cancelled(self.hear_ending(ending)).await.is_none() {
                        return;
                    }
                }
                Ok(QueueEvent::EndedElsewhere(ending)) => self.hear_ending_elsewhere(ending.task),
                Ok(QueueEvent::StopAsked(task)) => drop(self.flights.stop(task, StopReason::Cancelled)),
                Ok(QueueEvent::News(text)) => self.hear_other(&text),
                Ok(QueueEvent::Missed) => self.look_after_others().await,
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "fell behind the queue's events");
                    self.look_after_others().await;
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Another balancer has ended a task, or may have: whoever waits for it here is told.
    fn hear_ending_elsewhere(self: &Arc<Self>, task: TaskId) {
        if !self.flights.is_awaited(task) {
            return;
        }
        let dispatcher = Arc::clone(self);
        // Task `ending`, one for each that is awaited: the next ones do not wait for the store's answer to this one.
        self.tasks.spawn(async move {
            let record = until_clear(PATIENT, |_| dispatcher.queue.get(task));
            let Some(record) = dispatcher.stopped.run_until_cancelled(record).await else { return };
            match record.answer {
                Ok(Some(record)) if record.state.is_ending() => {
                    dispatcher.flights.ended(task, None, |_| stored_reply(&record));
                }
                Ok(None) => dispatcher.flights.missing(task, || Reply::Refused(Refusal::lost().of(task))),
                Ok(Some(_)) | Err(_) => {}
            }
        });
    }

    /// Looks at everything that others may have changed unheard.
    async fn look_after_others(self: &Arc<Self>) {
        self.wake_waiting_lanes().await;
        self.flights.awaited().into_iter().for_each(|task| self.hear_ending_elsewhere(task));
    }

    /// Looks at tasks that somebody waits for and that do not run here, now and then: nothing that others tell is sure to be heard.
    async fn look_at_awaited(self: &Arc<Self>) {
        while self.stopped.run_until_cancelled(tokio::time::sleep(LOOK_INTERVAL)).await.is_some() {
            self.flights.awaited().into_iter().for_each(|task| self.hear_ending_elsewhere(task));
        }
    }

    /// The queue has ended a task by its own rules.
    async fn hear_ending(&self, ending: Ending) {
        let record = until_clear(PATIENT, |_| self.queue.get(ending.task)).await.answer;
        let Ok(Some(record)) = record else { return };
        let message = record.error.as_deref().unwrap_or("The task has ended");
        let refusal = Refusal::new(ending.code.unwrap_or(ErrorCode::Internal), message);
        tracing::info!(task = %ending.task, lane = %record.spec.lane, code = refusal.code.word(), "ended by the queue");
        debug_assert!(ending.state != TaskState::Completed, "only a run can complete a task");
        // Else it runs again already: its end is an old story.
        if record.state.is_ending() {
            self.events.tell(|| TaskEvent::ended_by_queue(&record, self.clock.now()));
        }
        self.ended_unrun(&record.spec, ending.state, &refusal);
    }
}
