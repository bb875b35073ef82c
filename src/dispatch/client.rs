//! A client that waits for its reply.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::adopt::Adopted;
use super::flights::StopReason;
use super::lane::Lane;
use super::{Dispatcher, Refusal, Reply, Timing};
use crate::queue::{Cancelled, Settlement};
use crate::task::{ErrorCode, Mode, TaskSpec, TaskState};

/// When to look again at a task that could not be given up because it ran: its run may end in a retry that nobody takes. Also the
/// least time between two looks at a lane that has a worker.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A client that waits for its reply. Dropping it means that the client has left.
pub(super) struct Client {
    dispatcher: Arc<Dispatcher>,
    lane: Arc<Lane>,
    spec: Arc<TaskSpec>,
    submitted: Instant,
    reply: oneshot::Receiver<Reply>,
    replied: bool,
}

/// What the client's clock says.
enum Patience {
    /// Look again then.
    Until(Instant),
    /// Give up now.
    Over(Refusal),
}

impl Client {
    pub(super) fn new(
        dispatcher: &Arc<Dispatcher>,
        lane: &Arc<Lane>,
        spec: &Arc<TaskSpec>,
        submitted: Instant,
    ) -> Self {
        let reply = dispatcher.flights.await_reply(spec.id);
        let (dispatcher, lane, spec) = (Arc::clone(dispatcher), Arc::clone(lane), Arc::clone(spec));
        Self { dispatcher, lane, spec, submitted, reply, replied: false }
    }

    /// Waits for the reply; `run` is the work to do meanwhile.
    pub(super) async fn reply(mut self, mut run: Option<Adopted>) -> Reply {
        let dispatcher = Arc::clone(&self.dispatcher);
        let mut draining = false;
        let alarm = tokio::time::sleep_until(self.first_look());
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
                () = &mut alarm => match self.patience() {
                    Patience::Until(then) => alarm.as_mut().reset(then),
                    Patience::Over(refusal) => match self.give_up(&refusal).await {
                        Some(reply) => break reply,
                        None => alarm.as_mut().reset(Instant::now() + LOOK_AGAIN),
                    },
                },
                () = dispatcher.draining.cancelled(), if !draining => {
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
        refusal.timing.get_or_insert(Timing { queue: self.submitted.elapsed(), ..Timing::default() });
        refusal
    }

    fn limit(&self) -> Duration {
        self.spec.options.timeout.unwrap_or(self.dispatcher.settings.tasks.timeout)
    }

    fn first_look(&self) -> Instant {
        self.submitted + self.limit().min(self.dispatcher.settings.tasks.no_worker_timeout)
    }

    /// Whether a client that waits in its lane should go on waiting.
    fn patience(&self) -> Patience {
        if self.dispatcher.is_draining() && !self.spec.resumable {
            return Patience::Over(Refusal::shutting_down());
        }
        let now = Instant::now();
        let deadline = self.submitted + self.limit();
        if now >= deadline {
            return Patience::Over(Refusal::timeout(self.limit()));
        }
        let no_worker = self.dispatcher.settings.tasks.no_worker_timeout;
        let without = self.lane.slots.standing().without_ready_since;
        let Some(since) = without else { return Patience::Until(deadline.min(now + no_worker.max(LOOK_AGAIN))) };
        let over = since.max(self.submitted) + no_worker;
        if over <= now {
            let message = format!("No worker is ready for {}", self.lane.key());
            return Patience::Over(Refusal::new(ErrorCode::NoWorker, message).retry_after(no_worker));
        }
        Patience::Until(deadline.min(over))
    }

    /// Ends the task if it still waits; the reply then. `None` if it runs or has ended: its reply is on its way.
    async fn give_up(&mut self, refusal: &Refusal) -> Option<Reply> {
        let id = self.spec.id;
        let error: Arc<str> = refusal.message.as_str().into();
        let ending = match refusal.code {
            ErrorCode::NoWorker => Settlement::Fail { attempt: None, error, code: refusal.code, result: None },
            code => Settlement::Cancel { attempt: None, error, code },
        };
        let state = ending.state();
        match self.dispatcher.queue.cancel(id, ending).await {
            Ok(Cancelled::Done) => {
                self.dispatcher.ended_unrun(&self.spec, state, refusal);
                self.reply.try_recv().ok()
            }
            Ok(Cancelled::Running | Cancelled::Ended) => None,
            // An unclear outcome: the queue's own expiry ends the task if this did not.
            Ok(Cancelled::Unknown) | Err(_) => Some(Reply::Refused(refusal.clone().of(id))),
        }
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
    async fn client_left(self: Arc<Self>, spec: &TaskSpec) {
        let refusal = Refusal::new(ErrorCode::ClientGone, "The client closed its connection");
        let error = refusal.message.as_str().into();
        let ending = Settlement::Cancel { attempt: None, error, code: refusal.code };
        let found = if spec.mode == Mode::Stream {
            self.cancel_or_stop(spec.id, ending, StopReason::ClientGone).await
        } else {
            self.queue.cancel(spec.id, ending).await
        };
        match found {
            Ok(Cancelled::Done) => self.ended_unrun(spec, TaskState::Cancelled, &refusal),
            Ok(_) => {}
            Err(error) => tracing::warn!(task = %spec.id, %error, "cannot cancel the task of a client that left"),
        }
    }
}
