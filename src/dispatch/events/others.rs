//! What is told between balancers that share a queue: the steps that each takes, as long as somebody listens at another one, and what
//! becomes of streams that are handed over (`loans`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::event::{Step, TaskEvent};
use crate::dispatch::Dispatcher;
use crate::dispatch::loans::LoanNews;
use crate::task::{Contract, ErrorCode, LaneKey, TaskState, Timestamp};

/// Events kept for the others while the queue does not answer.
const BUFFER: usize = 4_096;
/// Events that are told at once.
const AT_ONCE: usize = 128;
/// How often it is said that somebody listens here.
const SAID_EVERY: Duration = Duration::from_secs(1);
/// How long that holds.
const HOLDS: Duration = Duration::from_secs(4);

/// What is told to the other balancers.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Whether somebody listens elsewhere.
    wanted: AtomicBool,
    until: Mutex<Option<Instant>>,
    events: mpsc::Sender<Arc<TaskEvent>>,
    /// Taken by whoever tells them.
    to_tell: Mutex<Option<mpsc::Receiver<Arc<TaskEvent>>>>,
    /// Somebody has begun to listen here.
    pub(super) listener: Notify,
}

/// A message to the others.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::dispatch) enum Message {
    /// Somebody listens here.
    Listening,
    /// These steps were taken here.
    Events(Vec<Told>),
    /// A stream is handed over.
    Loan(LoanNews),
}

/// An event as it is told.
#[derive(Serialize, Deserialize)]
pub(in crate::dispatch) struct Told {
    task: String,
    group: Arc<str>,
    contract: f64,
    function: Arc<str>,
    state: String,
    at: i64,
    attempts: u32,
    attempt: Option<(u32, Arc<str>)>,
    run_at: Option<i64>,
    code: Option<String>,
    error: Option<Arc<str>>,
    step: Step,
}

impl Default for Outgoing {
    fn default() -> Self {
        let (events, to_tell) = mpsc::channel(BUFFER);
        Self {
            wanted: AtomicBool::new(false),
            until: Mutex::default(),
            events,
            to_tell: Mutex::new(Some(to_tell)),
            listener: Notify::new(),
        }
    }
}

impl Outgoing {
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    pub(super) fn push(&self, event: &Arc<TaskEvent>) {
        if self.is_wanted() && self.events.try_send(Arc::clone(event)).is_err() {
            tracing::debug!(task = %event.task, "other balancers are not told of a step: too many wait to be told");
        }
    }

    fn want(&self) {
        *self.until.lock() = Some(Instant::now() + HOLDS);
        self.wanted.store(true, Ordering::SeqCst);
    }

    fn look_at_the_time(&self) {
        let mut until = self.until.lock();
        if until.is_some_and(|until| until <= Instant::now()) {
            *until = None;
            self.wanted.store(false, Ordering::SeqCst);
        }
    }
}

impl Message {
    pub(in crate::dispatch) fn text(&self) -> String {
        // There is no map in it with keys that are no texts, and nothing else can fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<&TaskEvent> for Told {
    fn from(event: &TaskEvent) -> Self {
        Self {
            task: event.task.to_string(),
            group: Arc::clone(&event.lane.group),
            contract: event.lane.contract.as_f64(),
            function: Arc::clone(&event.function),
            state: event.state.word().to_owned(),
            at: event.at.as_millis(),
            attempts: event.attempts,
            attempt: event.attempt.clone(),
            run_at: event.run_at.map(Timestamp::as_millis),
            code: event.code.map(|code| code.word().to_owned()),
            error: event.error.clone(),
            step: event.step,
        }
    }
}

impl Told {
    fn event(self) -> Option<TaskEvent> {
        Some(TaskEvent {
            task: self.task.parse().ok()?,
            lane: LaneKey::new(self.group, Contract::new(self.contract)?),
            function: self.function,
            state: TaskState::ALL.into_iter().find(|state| state.word() == self.state)?,
            at: Timestamp::from_millis(self.at),
            attempts: self.attempts,
            attempt: self.attempt,
            run_at: self.run_at.map(Timestamp::from_millis),
            code: self.code.and_then(|code| ErrorCode::from_word(&code)),
            error: self.error,
            step: self.step,
        })
    }
}

impl Dispatcher {
    /// Tells the other balancers of the steps taken here, and that somebody listens here.
    pub(in crate::dispatch) async fn tell_others(&self) {
        let outgoing = &self.events.outgoing;
        let to_tell = outgoing.to_tell.lock().take().filter(|_| self.queue.is_shared());
        let Some(mut to_tell) = to_tell else { return };
        let mut ticks = tokio::time::interval(SAID_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut events = Vec::with_capacity(AT_ONCE);
        loop {
            let message = tokio::select! {
                biased;
                () = self.stopped.cancelled() => return,
                _ = ticks.tick() => {
                    outgoing.look_at_the_time();
                    Message::Listening
                }
                () = outgoing.listener.notified() => Message::Listening,
                _ = to_tell.recv_many(&mut events, AT_ONCE) => {
                    Message::Events(events.drain(..).map(|event| Told::from(&*event)).collect())
                }
            };
            if matches!(message, Message::Listening) && !self.events.has_listeners() {
                continue;
            }
            let told = self.stopped.run_until_cancelled(self.queue.tell_others(message.text())).await;
            if let Some(Err(error)) = told {
                tracing::debug!(%error, "cannot tell other balancers what happens here");
            }
        }
    }

    /// Another balancer has told something.
    pub(in crate::dispatch) fn hear_other(self: &Arc<Self>, text: &str) {
        match serde_json::from_str(text) {
            Ok(Message::Listening) => self.events.outgoing.want(),
            Ok(Message::Events(events)) => {
                events.into_iter().filter_map(Told::event).for_each(|event| self.events.tell_foreign(event));
            }
            Ok(Message::Loan(news)) => self.hear_of_loan(news),
            Err(error) => tracing::debug!(%error, "cannot read what another balancer tells"),
        }
    }
}
