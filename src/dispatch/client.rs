//! A client that waits for its reply.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::adopt::Adopted;
use super::flights::StopReason;
use super::join::stored_reply;
use super::lane::Lane;
use super::patience::{LOOK_AGAIN, Look, Patience};
use super::repeat::{BRIEF, PATIENT};
use super::{Dispatcher, Refusal, Reply, Timing};
use crate::queue::{Cancelled, Settlement};
use crate::task::{ErrorCode, Mode, TaskSpec, TaskState};

/// A client that waits for its reply. Dropping it means that the client has left.
pub(super) struct Client {
    dispatcher: Arc<Dispatcher>,
    patience: Patience,
    spec: Arc<TaskSpec>,
    reply: oneshot::Receiver<Reply>,
    replied: bool,
    /// The task was found ended, and the reply was not there yet.
    overdue: bool,
    /// Counts the client among the tasks: a drain waits for its reply, wherever its task runs.
    _counted: TaskTrackerToken,
}

impl Client {
    pub(super) fn new(
        dispatcher: &Arc<Dispatcher>,
        lane: &Arc<Lane>,
        spec: &Arc<TaskSpec>,
        submitted: Instant,
    ) -> Self {
        let reply = dispatcher.flights.await_reply(spec.id);
        let patience = Patience::new(dispatcher, lane, submitted, spec.options.timeout);
        Self {
            dispatcher: Arc::clone(dispatcher),
            patience,
            spec: Arc::clone(spec),
            reply,
            replied: false,
            overdue: false,
            _counted: dispatcher.tasks.token(),
        }
    }

    /// Waits for the reply to a task that is in its lane; `run` is its run, to be done meanwhile. A client that can come back may be told to, without an end to its task.
    pub(super) async fn reply(mut self, mut run: Option<Adopted>) -> Reply {
        let dispatcher = Arc::clone(&self.dispatcher);
        dispatcher.flights.stored(self.spec.id);
        let mut draining = false;
        let alarm = tokio::time::sleep_until(self.patience.first_look());
        tokio::pin!(alarm);
        let reply = loop {
            tokio::select! {
                biased;
                reply = &mut self.reply => {
                    break reply.unwrap_or_else(|_| {
                        Reply::Refused(Refusal::new(ErrorCode::Internal, "The task was lost sight of").of(self.spec.id))
                    });
                }
                () = async { if let Some(run) = &mut run { run.await } }, if run.is_some() => run = None,
                // A run keeps to its client's deadline by itself, and a drain waits for it: only who can come back, or waits in the
                // lane, has to look.
                () = &mut alarm, if run.is_none() || self.spec.resumable => match self.look() {
                    Look::Again(then) => alarm.as_mut().reset(then),
                    Look::Over(refusal) if self.spec.resumable => {
                        // Its client can come back for the result: the task stays.
                        if refusal.code == ErrorCode::Timeout || self.task_waits().await {
                            break Reply::Refused(refusal.of(self.spec.id));
                        }
                        alarm.as_mut().reset(Instant::now() + LOOK_AGAIN);
                    }
                    Look::Over(refusal) => match Box::pin(self.give_up(&refusal)).await {
                        Some(reply) => break reply,
                        None => alarm.as_mut().reset(Instant::now() + LOOK_AGAIN),
                    },
                },
                () = dispatcher.draining.cancelled(), if !draining && (run.is_none() || self.spec.resumable) => {
                    draining = true;
                    alarm.as_mut().reset(Instant::now());
                }
            }
        };
        self.replied = true;
        match reply {
            Reply::Refused(refusal) => Reply::Refused(self.timed(refusal)),
            answer @ Reply::Answer { .. } => answer,
        }
    }

    /// Without an answer all that is known is how long the client has waited.
    fn timed(&self, mut refusal: Refusal) -> Refusal {
        refusal.timing.get_or_insert(Timing { queue: self.patience.waited(), ..Timing::default() });
        refusal
    }

    /// Whether to go on waiting; a drain ends every patience.
    fn look(&self) -> Look {
        if self.dispatcher.is_draining() { Look::Over(Refusal::shutting_down()) } else { self.patience.look() }
    }

    /// Whether the task still waits in its lane. `false` if nobody can tell.
    async fn task_waits(&self) -> bool {
        let record = self.dispatcher.queue.get(self.spec.id).await;
        record.is_ok_and(|record| record.is_some_and(|record| record.state.is_waiting()))
    }

    /// Ends the task if it still waits; the reply then. `None` if it runs or has ended: its reply is on its way.
    async fn give_up(&mut self, refusal: &Refusal) -> Option<Reply> {
        let id = self.spec.id;
        let ending = if refusal.code == ErrorCode::NoWorker {
            let error = refusal.message.as_str().into();
            Settlement::Fail { attempt: None, error, code: refusal.code, result: None }
        } else {
            refusal.cancellation(None)
        };
        let state = ending.state();
        match self.dispatcher.cancel_waiting(&self.spec, &ending, BRIEF).await {
            Ok(Cancelled::Done) => {
                self.dispatcher.ended_unrun(&self.spec, state, refusal);
                self.reply.try_recv().ok()
            }
            Ok(Cancelled::Running) => None,
            Ok(Cancelled::Ended) if !std::mem::replace(&mut self.overdue, true) => None,
            // Whoever ended it does not know that it did: its call has not been answered.
            Ok(Cancelled::Ended) => self.stored_reply().await,
            // An unclear outcome: the queue's own expiry ends the task if this did not.
            Ok(Cancelled::Unknown) | Err(_) => Some(self.instead(Reply::Refused(refusal.clone().of(id)))),
        }
    }

    /// The reply to a task that has ended, as the store has it. `None` if it does not say.
    async fn stored_reply(&mut self) -> Option<Reply> {
        if let Ok(reply) = self.reply.try_recv() {
            return Some(reply);
        }
        let record = self.dispatcher.queue.get(self.spec.id).await.ok()??;
        record.state.is_ending().then(|| self.instead(stored_reply(&record)))
    }

    /// A reply in place of the one that was waited for.
    fn instead(&mut self, reply: Reply) -> Reply {
        self.reply.close();
        self.dispatcher.flights.forget_waiters(self.spec.id);
        reply
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.replied {
            return;
        }
        self.reply.close();
        let dispatcher = Arc::clone(&self.dispatcher);
        let spec = Arc::clone(&self.spec);
        dispatcher.flights.forget_waiters(spec.id);
        if spec.resumable {
            return;
        }
        let tasks = dispatcher.tasks.clone();
        tasks.spawn(async move { dispatcher.client_left(&spec).await });
    }
}

impl Dispatcher {
    /// The client of a task has left: what waits is cancelled, a stream is cut off, and a sync task that runs, runs on.
    pub(super) async fn client_left(self: Arc<Self>, spec: &TaskSpec) {
        let refusal = Refusal::client_gone();
        let ending = refusal.cancellation(None);
        let found = if spec.mode == Mode::Stream {
            self.cancel_or_stop(spec, ending, StopReason::ClientGone).await
        } else {
            self.cancel_waiting(spec, &ending, PATIENT).await
        };
        match found {
            Ok(Cancelled::Done) => self.ended_unrun(spec, TaskState::Cancelled, &refusal),
            Ok(_) => {}
            Err(error) => tracing::warn!(task = %spec.id, %error, "cannot cancel the task of a client that left"),
        }
    }
}
