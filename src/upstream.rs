//! HTTP to workers: delivers one task and hands back the worker's answer as it comes. And the balancer's own notices to webhooks.

mod answer;
mod connection;
mod http;
mod notice;
mod pool;
mod tls;

use ::http::Uri;
use async_trait::async_trait;
use bytes::Bytes;

pub use answer::{Answer, AnswerBody};
pub use http::HttpUpstream;
pub use notice::{Notice, Notifier, WebhookNotifier};
pub use tls::install_crypto_provider;

use crate::task::{TaskId, WorkerKey};

/// One task for one worker.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The task's id, sent as `x-task-id`.
    pub task: TaskId,
    /// Where to: the worker's `/task`.
    pub uri: Uri,
    /// The client's key for the worker.
    pub worker_key: WorkerKey,
    /// The client's bytes.
    pub body: Bytes,
}

/// Why there is no answer, or no more of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// No connection was opened: the worker has not seen the task.
    #[error("cannot connect to the worker: {0}")]
    Connect(String),
    /// The connection broke: the worker may have run the task.
    #[error("the connection to the worker broke: {0}")]
    Broken(String),
}

/// Delivers tasks. The real one is [`HttpUpstream`]; the simulation brings its own.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// Sends a task and waits for the head of the answer. Dropping the future cuts the request off.
    async fn deliver(&self, delivery: Delivery) -> Result<Answer, DeliveryError>;
}
