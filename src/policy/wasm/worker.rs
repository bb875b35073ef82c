//! The thread of a policy.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvError, TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::error::{LoadError, Trouble};
use super::instance::Instance;
use super::policy::{Job, Question, Shared};
use crate::policy::shadow::Tally;
use crate::policy::{Failure, Outcome};

/// Outcomes told in one call.
const OUTCOMES_AT_ONCE: usize = 256;
/// So many decisions go before outcomes that wait.
const DECISIONS_BETWEEN: u32 = 8;

/// Makes the calls of one policy, one after the other, and looks after its instances.
pub(super) struct Worker {
    shared: Arc<Shared>,
    /// `None` after a failure, until there is a new one.
    instance: Option<Instance>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, instance: Instance) -> Self {
        Self { shared, instance: Some(instance) }
    }

    /// Works until the policy is dropped, and then on what waits.
    pub(super) fn run(mut self, inbox: &Receiver<Job>) {
        let mut decisions = 0;
        loop {
            let job = if !self.has_outcomes() {
                inbox.recv().map(Some)
            } else if decisions >= DECISIONS_BETWEEN {
                Ok(None)
            } else {
                match inbox.try_recv() {
                    Ok(job) => Ok(Some(job)),
                    Err(TryRecvError::Empty) => Ok(None),
                    Err(TryRecvError::Disconnected) => Err(RecvError),
                }
            };
            let Ok(job) = job else { return };
            self.look_around();
            decisions += 1;
            if let Some(job) = job {
                self.decide(job);
            } else {
                decisions = 0;
                self.observe();
            }
        }
    }

    fn decide(&mut self, job: Job) {
        match job {
            Job::Look => {}
            Job::Rank { context, candidates, reply } => self.answer(reply, |instance, deadline| {
                let mut rows = Vec::new();
                instance.rank(&context, &candidates, &mut rows, deadline).map(|()| rows)
            }),
            Job::Prioritize { submission, reply } => {
                self.answer(reply, |instance, deadline| instance.prioritize(&submission.view(), deadline));
            }
            Job::Compare { question, tally } => self.compare(&question, &tally),
        }
    }

    fn answer<T>(
        &mut self,
        reply: oneshot::Sender<Result<T, Failure>>,
        call: impl FnOnce(&mut Instance, Duration) -> Result<T, Trouble>,
    ) {
        // Nobody waits any more, and whoever did counted that.
        if reply.is_closed() {
            return;
        }
        // Who asked may have left: that is no matter.
        let _ = reply.send(self.call(call));
        self.restart_if_asked_again();
    }

    fn compare(&mut self, question: &Question, tally: &Tally) {
        let began = Instant::now();
        match question {
            Question::Rank { context, candidates, chosen } => {
                let answer = self.call(|instance, deadline| {
                    let mut rows = Vec::new();
                    instance.rank(context, candidates, &mut rows, deadline).map(|()| rows.first().copied())
                });
                tally.answered(began, &answer, chosen);
            }
            Question::Prioritize { submission, admission } => {
                let answer = self.call(|instance, deadline| instance.prioritize(&submission.view(), deadline));
                tally.answered(began, &answer, admission);
            }
        }
        self.restart_if_asked_again();
    }

    /// Has a new instance ready for the next call, unless there will be none for a while.
    fn restart_if_asked_again(&mut self) {
        if self.instance.is_none() && self.shared.record.pause_left().is_none() {
            self.restart();
        }
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Instance, Duration) -> Result<T, Trouble>) -> Result<T, Failure> {
        if self.instance.is_none() {
            self.restart();
        }
        let Some(instance) = &mut self.instance else { return Err(Failure::Restarting) };
        let shared = &self.shared;
        let began = Instant::now();
        let answer = call(instance, shared.limits.deadline);
        shared.record.called(began.elapsed(), &answer);
        shared.memory.store(instance.memory(), Ordering::Relaxed);
        answer.map_err(|trouble| {
            if !trouble.usable {
                self.instance = None;
            }
            trouble.failure
        })
    }

    /// Tells of the attempts that have ended since the last time.
    fn observe(&mut self) {
        let outcomes: Vec<Outcome> = {
            let mut waiting = self.shared.outcomes.lock();
            let count = waiting.len().min(OUTCOMES_AT_ONCE);
            waiting.drain(..count).collect()
        };
        if self.shared.record.admits() {
            // A failure has been recorded, and these are lost.
            let _ = self.call(|instance, deadline| instance.observe(&outcomes, deadline));
        }
    }

    fn has_outcomes(&self) -> bool {
        !self.shared.outcomes.lock().is_empty()
    }

    /// Does what others have asked for by a flag.
    fn look_around(&mut self) {
        let shared = Arc::clone(&self.shared);
        self.restart_if_asked_again();
        if shared.directory_changed.swap(false, Ordering::AcqRel) {
            self.tell_directory();
        }
        if shared.pool_wanting.swap(false, Ordering::AcqRel) {
            for place in shared.pool.places() {
                let is_empty = place.lock().is_none();
                if !is_empty {
                    continue;
                }
                // Made without the lock: threads that look for an instance pass by.
                match shared.fresh() {
                    Ok(instance) => *place.lock() = Some(instance),
                    Err(error) => return shared.record.not_restarted(&error),
                }
            }
        }
    }

    fn restart(&mut self) {
        let shared = &self.shared;
        shared.restarting.store(shared.starts_slowly, Ordering::Release);
        match shared.fresh() {
            Ok(instance) => self.instance = Some(instance),
            Err(error) => shared.record.not_restarted(&error),
        }
        shared.restarting.store(false, Ordering::Release);
    }

    fn tell_directory(&mut self) {
        let shared = Arc::clone(&self.shared);
        let directory = Arc::clone(&shared.setup.lock().directory);
        let tell = |instance: &mut Option<Instance>| {
            let told = instance.as_mut().map_or(Ok(()), |instance| instance.topology(&directory));
            if let Err(LoadError::Failed { trouble, .. }) = told {
                *instance = None;
                shared.record.called(shared.limits.load_deadline, &Err::<(), _>(trouble));
            }
        };
        tell(&mut self.instance);
        for place in shared.pool.places() {
            let mut place = place.lock();
            tell(&mut place);
            if place.is_none() {
                shared.pool_wanting.store(true, Ordering::Release);
            }
        }
    }
}
