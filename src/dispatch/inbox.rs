//! Takes in the jobs that other tools leave in the queue: the task of one comes from its data, its worker key from the settings.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::Touched;
use super::{Dispatcher, Refusal, Submission, TaskEvent};
use crate::queue::{Answered, Inbox, InboxAnswer, InboxJob, JobId, NewTask, QueueError};
use crate::task::{ErrorCode, Idempotency, Mode, TaskRequest, WorkerKey};

/// Jobs that are taken in at once.
const JOBS_AT_ONCE: usize = 64;
/// The time between two looks at an inbox that was empty.
const PAUSE: Duration = Duration::from_millis(50);
/// The same while another balancer reads it, or there is no room or no answer.
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// How often the queue is told which lanes have workers.
const OFFER_INTERVAL: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Takes in what comes until the drain begins.
    pub(super) async fn read_inbox(self: &Arc<Self>) {
        let Some(inbox) = self.queue.inbox() else { return };
        let mut next_offer = Instant::now();
        while !self.is_draining() {
            let mut read = self.take_in(inbox).await;
            if Instant::now() >= next_offer && read.is_ok() {
                let lanes = self.slots.lanes().into_iter().filter(|lane| !lane.is_vacant());
                let offered = inbox.offer(lanes.map(|lane| lane.key().clone()).collect()).await;
                read = offered.and(read);
                next_offer = Instant::now() + OFFER_INTERVAL;
            }
            let pause = read.unwrap_or_else(|error| {
                tracing::debug!(%error, "cannot read the inbox");
                LONG_PAUSE
            });
            let _ = tokio::time::timeout(pause, self.draining.cancelled()).await;
        }
    }

    /// Takes in what is there; says when to look again.
    async fn take_in(self: &Arc<Self>, inbox: &dyn Inbox) -> Result<Duration, QueueError> {
        let Some(jobs) = inbox.waiting_jobs(JOBS_AT_ONCE).await? else { return Ok(LONG_PAUSE) };
        let mut touched = Touched::default();
        let mut answers: Vec<(JobId, InboxAnswer)> = Vec::with_capacity(jobs.len());
        let mut left = false;
        for job in jobs {
            match self.answer_to(&job, &mut touched).await {
                Some(answer) => answers.push((job.id, answer)),
                None => left = true,
            }
        }
        if answers.is_empty() {
            return Ok(if left { LONG_PAUSE } else { PAUSE });
        }
        let news_of = |task: &NewTask| {
            let (spec, run_at) = (Arc::clone(&task.spec), task.run_at);
            self.events.prepare(move || TaskEvent::submitted(&spec, run_at))
        };
        let mut pause = if left { LONG_PAUSE } else { Duration::ZERO };
        let news: Vec<_> = answers
            .iter()
            .map(|(_, answer)| match answer {
                InboxAnswer::Task(task) => Some((task.spec.mode, news_of(task))),
                InboxAnswer::Refuse(_) => None,
            })
            .collect();
        for (answered, news) in inbox.answer(answers).await.into_iter().zip(news) {
            match (answered?, news) {
                (Answered::Taken, Some((mode, news))) => {
                    news.tell();
                    self.metrics.submitted(mode);
                }
                (Answered::Full, _) => pause = LONG_PAUSE,
                _ => {}
            }
        }
        Ok(pause)
    }

    /// What becomes of a job; `None` leaves it for later.
    async fn answer_to(self: &Arc<Self>, job: &InboxJob, touched: &mut Touched) -> Option<InboxAnswer> {
        let task = match self.submission_of(job) {
            Ok(submission) => self.checked(submission, touched).await,
            Err(refusal) => Err(refusal),
        };
        match task {
            Ok(task) => Some(InboxAnswer::Task(task)),
            Err(refusal) if matches!(refusal.code, ErrorCode::ShuttingDown | ErrorCode::PolicyFailed) => None,
            Err(refusal) => {
                let id = String::from_utf8_lossy(&job.id.id);
                let lane = job.id.lane.as_ref().map(tracing::field::display);
                tracing::warn!(job = %id, lane, reason = %refusal.message, "a job of another producer cannot be run");
                Some(InboxAnswer::Refuse(refusal.message))
            }
        }
    }

    /// The job as a client would have sent it.
    fn submission_of(&self, job: &InboxJob) -> Result<Submission, Refusal> {
        let read = match &job.id.lane {
            Some(lane) => TaskRequest::parse_in(lane, &job.name, job.data.clone()),
            None => TaskRequest::parse(job.data.clone()),
        };
        let mut request = read.map_err(|bad| Refusal::new(bad.code, bad.message))?;
        match request.mode {
            // Nobody reads it.
            Mode::Stream => {
                let message = "mode stream is not possible for a job: its client is not here";
                return Err(Refusal::new(ErrorCode::InvalidMode, message));
            }
            Mode::Sync => request.mode = Mode::Async,
            Mode::Async | Mode::Webhook => {}
        }
        request.priority = request.priority.or(job.priority);
        request.options.attempts = request.options.attempts.or(job.attempts);
        let group = &request.lane.group;
        let key = self.settings.inbox.key_of(group).ok_or_else(|| {
            let message = format!(
                "There is no key for the workers of group {group:?}: set WORKER_AUTH_KEY or WORKER_AUTH_KEYS, then retry the job"
            );
            Refusal::new(ErrorCode::Unauthorized, message)
        })?;
        let worker_key = WorkerKey::new(key.expose());
        let idempotency_key = request.options.idempotency_key.take();
        let idempotency = idempotency_key.map(|key| Idempotency::new(key, &job.data, &worker_key));
        Ok(Submission { request, worker_key, idempotency })
    }
}
