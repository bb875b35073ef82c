//! Many submissions at once.

use std::collections::HashMap;
use std::sync::Arc;

use super::events::News;
use super::lane::Lane;
use super::submit::{KEY_PAUSE, KEY_TRIES, is_offered, key_of_nobody, not_enqueued};
use super::{Dispatcher, Refusal, Submission, TaskEvent};
use crate::queue::{Enqueued, NewTask, QueueError};
use crate::task::{LaneKey, TaskId};

/// Tasks that go to the queue in one step.
const TASKS_AT_ONCE: usize = 500;

/// The lanes that a batch has put tasks into. Dropping it wakes each of them once: also when the client leaves in the middle.
#[derive(Default)]
pub(super) struct Touched(HashMap<LaneKey, Arc<Lane>>);

impl Drop for Touched {
    fn drop(&mut self) {
        for lane in self.0.values() {
            lane.wake();
        }
    }
}

impl Dispatcher {
    /// Takes tasks in, each by itself, and answers in their order; the result of each comes another way, so none may be of a mode
    /// whose client waits. Dropping the future leaves what has been enqueued by then.
    pub async fn submit_many(
        self: &Arc<Self>,
        submissions: impl IntoIterator<Item = Submission>,
    ) -> Vec<Result<TaskId, Refusal>> {
        let mut touched = Touched::default();
        let mut submissions = submissions.into_iter().peekable();
        let mut answers = Vec::new();
        while submissions.peek().is_some() {
            let chunk: Vec<Submission> = submissions.by_ref().take(TASKS_AT_ONCE).collect();
            self.submit_chunk(chunk, &mut touched, &mut answers).await;
            // Other clients have their turn.
            tokio::task::yield_now().await;
        }
        answers
    }

    async fn submit_chunk(
        self: &Arc<Self>,
        chunk: Vec<Submission>,
        touched: &mut Touched,
        answers: &mut Vec<Result<TaskId, Refusal>>,
    ) {
        let mut checked: Vec<Result<NewTask, Refusal>> = Vec::with_capacity(chunk.len());
        for submission in chunk {
            checked.push(self.checked(submission, touched).await);
        }
        let news_of = |task: &NewTask| {
            let (spec, run_at) = (Arc::clone(&task.spec), task.run_at);
            self.events.prepare(move || TaskEvent::submitted(&spec, run_at))
        };
        let news: Vec<_> = checked.iter().map(|task| task.as_ref().ok().map(news_of)).collect();
        let tasks: Vec<NewTask> = checked.iter().filter_map(|task| task.as_ref().ok()).cloned().collect();
        let mut enqueued = self.queue.enqueue_many(tasks).await.into_iter();
        for (task, news) in checked.into_iter().zip(news) {
            answers.push(match task {
                Ok(task) => {
                    let unanswered = || Err(QueueError::Unavailable("a task of a batch was not answered".to_owned()));
                    self.taken_in(task, enqueued.next().unwrap_or_else(unanswered), news).await
                }
                Err(refusal) => Err(refusal),
            });
        }
    }

    /// The task that one submission of a batch becomes.
    pub(super) async fn checked(
        self: &Arc<Self>,
        mut submission: Submission,
        touched: &mut Touched,
    ) -> Result<NewTask, Refusal> {
        debug_assert!(!submission.request.mode.client_waits(), "nobody waits for one task of a batch");
        if self.is_draining() {
            return Err(Refusal::shutting_down());
        }
        let key = &submission.request.lane;
        if !touched.0.contains_key(key) {
            touched.0.insert(key.clone(), self.lane(key));
        }
        touched.0.get(key).map_or(Ok(()), |lane| is_offered(lane, &submission.request))?;
        self.admit(&mut submission).await?;
        Ok(self.task(submission))
    }

    /// The answer for one task of a batch.
    async fn taken_in(
        &self,
        task: NewTask,
        mut enqueued: Result<Enqueued, QueueError>,
        news: Option<News<'_, impl Fn() -> TaskEvent>>,
    ) -> Result<TaskId, Refusal> {
        let id = task.spec.id;
        for _ in 0..KEY_TRIES {
            match enqueued.map_err(|error| not_enqueued(&error, id))? {
                Enqueued::New | Enqueued::Known => {
                    if let Some(news) = news {
                        news.tell();
                    }
                    self.metrics.submitted(task.spec.mode);
                    return Ok(id);
                }
                Enqueued::Duplicate(holder) => {
                    if let Some(record) = self.same_task(&task.spec, holder).await? {
                        return Ok(record.spec.id);
                    }
                }
            }
            tokio::time::sleep(KEY_PAUSE).await;
            enqueued = self.queue.enqueue(task.clone()).await;
        }
        Err(key_of_nobody())
    }
}
