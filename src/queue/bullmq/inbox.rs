//! The inbox: the queue `tasks`, in which the original kept its tasks and into which every producer of `BullMQ` can put jobs.

use async_trait::async_trait;
use bytes::Bytes;
use redis::Value;
use serde::Deserialize;

use super::answer::{Answer, no_word, word};
use super::steps::Step;
use super::{BullmqQueue, fixed};
use crate::queue::{Answered, Inbox, InboxAnswer, InboxJob, QueueError};

/// As many as a client may ask for.
const MAX_ATTEMPTS: u32 = 100;

/// What of the options of a job counts here; `BullMQ` writes no attempts as 0.
#[derive(Default, Deserialize)]
#[serde(default)]
struct JobOptions {
    attempts: u32,
}

#[async_trait]
impl Inbox for BullmqQueue {
    async fn waiting_jobs(&self, most: usize) -> Result<Option<Vec<InboxJob>>, QueueError> {
        let Some(jobs) = Answer::list(self.step(Step::new("inbox").of(most)).await?) else { return Ok(None) };
        let read = |job: Value| {
            let mut told = Answer::expect(job)?;
            let (id, data) = (told.bytes().unwrap_or_default(), told.bytes().unwrap_or_default());
            let priority = fixed::priority(told.number());
            let options: JobOptions = serde_json::from_slice(&told.bytes().unwrap_or_default()).unwrap_or_default();
            Ok(InboxJob {
                id,
                data,
                priority,
                attempts: Some(options.attempts.min(MAX_ATTEMPTS)).filter(|attempts| *attempts > 0),
            })
        };
        jobs.map(read).collect::<Result<_, _>>().map(Some)
    }

    async fn answer(&self, answers: Vec<(Bytes, InboxAnswer)>) -> Vec<Result<Answered, QueueError>> {
        let step = |(id, answer): (Bytes, InboxAnswer)| match answer {
            InboxAnswer::Task(task) => self.add_task(Step::new("inbox_take").text(id), &task).text(""),
            InboxAnswer::Refuse(reason) => Step::new("inbox_refuse").text(id).text(reason),
        };
        let steps = answers.into_iter().map(step).collect();
        let answered = |value: Value| match word(&value) {
            "taken" => Ok(Answered::Taken),
            "refused" => Ok(Answered::Refused),
            "gone" => Ok(Answered::Gone),
            "full" => Ok(Answered::Full),
            _ => no_word(&value),
        };
        self.steps(steps, answered).await
    }
}
