//! The inbox: tasks that other tools leave in the store as jobs of theirs, in a place for that or in a lane.

use async_trait::async_trait;
use bytes::Bytes;

use super::{NewTask, QueueError};
use crate::task::{LaneKey, Priority};

/// Which job it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobId {
    /// The lane into which it was put; `None` for the place that is for jobs of all lanes.
    pub lane: Option<LaneKey>,
    /// What its producer knows it by.
    pub id: Bytes,
}

/// A job that waits to be taken in.
#[derive(Clone, Debug)]
pub struct InboxJob {
    /// Which one it is.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// What is to be run, as a client would send it.
    pub data: Bytes,
    /// The priority that the job has beside that.
    pub priority: Option<Priority>,
    /// How often it may be tried, if its producer said so beside that.
    pub attempts: Option<u32>,
}

/// What becomes of a job.
#[derive(Clone, Debug)]
pub enum InboxAnswer {
    /// That task, which ends the job when it ends itself.
    Task(NewTask),
    /// It has failed, for that reason.
    Refuse(String),
}

/// What an answer to a job did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The task is in its lane.
    Taken,
    /// The job has failed: it was refused, or another task has its idempotency key.
    Refused,
    /// Nothing: the job does not wait any more.
    Gone,
    /// Nothing: there are as many waiting tasks as there may be.
    Full,
}

/// The inbox of a store. A job waits there until it is answered, so nothing is lost with a reader.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Says which lanes have workers: jobs that were put into one of them are found from then on, and those of lanes that have had tasks.
    async fn offer(&self, lanes: Vec<LaneKey>) -> Result<(), QueueError>;

    /// Jobs that wait, those to be taken first at the front; at most so many. `None` while another balancer reads them.
    async fn waiting_jobs(&self, most: usize) -> Result<Option<Vec<InboxJob>>, QueueError>;

    /// Answers jobs, each in one step: nobody else sees it waiting and taken, or neither. In order. May be repeated.
    async fn answer(&self, answers: Vec<(JobId, InboxAnswer)>) -> Vec<Result<Answered, QueueError>>;
}
