//! The inbox: the queue `tasks`, in which the original kept its tasks and into which every producer of `BullMQ` can put jobs; and the jobs
//! that they put into lanes.

use async_trait::async_trait;
use redis::Value;
use serde::Deserialize;

use super::answer::{Answer, no_word, word};
use super::steps::Step;
use super::{BullmqQueue, STEPS_AT_ONCE, fixed};
use crate::queue::{Answered, Inbox, InboxAnswer, InboxJob, JobId, QueueError};
use crate::task::{LaneKey, lane_name};

/// The queue that is for jobs of all lanes.
const INBOX: &str = "tasks";

/// As many as a client may ask for.
const MAX_ATTEMPTS: u32 = 100;

/// What of the options of a job counts here; `BullMQ` writes no attempts as 0.
#[derive(Default, Deserialize)]
#[serde(default)]
struct JobOptions {
    attempts: u32,
}

impl Step {
    fn job(self, job: &JobId) -> Self {
        let queue = job.lane.as_ref().map_or_else(|| INBOX.to_owned(), lane_name::of);
        self.text(queue).text(job.id.clone())
    }
}

#[async_trait]
impl Inbox for BullmqQueue {
    async fn offer(&self, lanes: Vec<LaneKey>) -> Result<(), QueueError> {
        let step = |lanes: &[LaneKey]| lanes.iter().fold(Step::new("offered"), Step::lane);
        let steps = lanes.chunks(STEPS_AT_ONCE).map(step).collect();
        self.steps(steps, |_| Ok(())).await.into_iter().collect()
    }

    async fn waiting_jobs(&self, most: usize) -> Result<Option<Vec<InboxJob>>, QueueError> {
        let Some(jobs) = Answer::list(self.step(Step::new("inbox").of(most)).await?) else { return Ok(None) };
        let read = |job: Value| {
            let mut told = Answer::expect(job)?;
            let lane = lane_name::parse(&told.some_text("queue")?);
            let id = JobId { lane, id: told.bytes().unwrap_or_default() };
            let (name, data) = (told.text().unwrap_or_default(), told.bytes().unwrap_or_default());
            let priority = fixed::priority(told.number());
            let options: JobOptions = serde_json::from_slice(&told.bytes().unwrap_or_default()).unwrap_or_default();
            Ok(InboxJob {
                id,
                name,
                data,
                priority,
                attempts: Some(options.attempts.min(MAX_ATTEMPTS)).filter(|attempts| *attempts > 0),
            })
        };
        jobs.map(read).collect::<Result<_, _>>().map(Some)
    }

    async fn answer(&self, answers: Vec<(JobId, InboxAnswer)>) -> Vec<Result<Answered, QueueError>> {
        let step = |(id, answer): (JobId, InboxAnswer)| match answer {
            InboxAnswer::Task(task) => self.add_task(Step::new("inbox_take").job(&id), &task).text(""),
            InboxAnswer::Refuse(reason) => Step::new("inbox_refuse").job(&id).text(reason),
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
