//! The conversation with a worker about one task: what of its answer goes to the client, and what is kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Uri};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Dispatcher;
use super::flights::StopReason;
use super::reply::{Reply, ReplyBody, StreamPart, Timing};
use crate::task::{Mode, StoredResult, TaskSpec};
use crate::upstream::{Answer, Delivery, DeliveryError};

/// Chunks on their way to a client: enough to keep it busy, few enough to hold back a worker that is faster.
const CHUNKS_UNDER_WAY: usize = 16;

/// How a conversation ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ExchangeEnd {
    /// The worker answered in full.
    Answered,
    /// No connection opened.
    Unreachable(String),
    /// The connection broke.
    Broken,
    /// The time limit passed.
    TimedOut,
    /// The client of a stream left, or took no byte for too long.
    ClientGone,
    /// The run was told to stop.
    Stopped(StopReason),
}

/// The conversation with a worker about one task.
#[expect(clippy::struct_excessive_bools, reason = "facts that hold or not, each by itself")]
pub(super) struct Exchange {
    spec: Arc<TaskSpec>,
    timing: Timing,
    began: Instant,
    /// Whether this is the last attempt: then whatever comes is final.
    last: bool,
    keep: usize,
    status: u16,
    content_type: Option<HeaderValue>,
    retry_after: Option<Duration>,
    collected: Vec<u8>,
    /// What was collected, once the conversation is over.
    body: Bytes,
    truncated: bool,
    complete: bool,
    client: Option<mpsc::Sender<StreamPart>>,
    passed_on: bool,
    broken: Option<String>,
}

impl Exchange {
    pub(super) fn new(dispatcher: &Dispatcher, spec: &Arc<TaskSpec>, timing: Timing, last: bool) -> Self {
        Self {
            spec: Arc::clone(spec),
            timing,
            began: Instant::now(),
            last,
            keep: dispatcher.settings.tasks.result_max_bytes,
            status: 0,
            content_type: None,
            retry_after: None,
            collected: Vec::new(),
            body: Bytes::new(),
            truncated: false,
            complete: false,
            client: None,
            passed_on: false,
            broken: None,
        }
    }

    /// Delivers the task and takes in the answer. Dropping the future cuts the request off.
    pub(super) async fn converse(&mut self, dispatcher: &Dispatcher, uri: Uri) -> ExchangeEnd {
        let delivery = Delivery {
            task: self.spec.id,
            uri,
            worker_key: self.spec.worker_key.clone(),
            body: self.spec.body.clone(),
        };
        match dispatcher.upstream.deliver(delivery).await {
            Ok(answer) => {
                let end = self.take_in(dispatcher, answer).await;
                self.body = std::mem::take(&mut self.collected).into();
                end
            }
            Err(DeliveryError::Connect(error)) => ExchangeEnd::Unreachable(error),
            Err(DeliveryError::Broken(error)) => {
                self.broken = Some(error);
                ExchangeEnd::Broken
            }
        }
    }

    async fn take_in(&mut self, dispatcher: &Dispatcher, mut answer: Answer) -> ExchangeEnd {
        self.status = answer.status;
        self.content_type = answer.content_type.take();
        self.retry_after = answer.retry_after;
        let streams = self.spec.mode == Mode::Stream && self.succeeded();
        if streams && !self.open_client(dispatcher) {
            return ExchangeEnd::ClientGone;
        }
        let idle = dispatcher.settings.tasks.stream_idle_timeout;
        loop {
            let chunk = match &self.client {
                Some(client) if streams => tokio::select! {
                    biased;
                    chunk = answer.body.chunk() => chunk,
                    () = client.closed() => return ExchangeEnd::ClientGone,
                },
                _ => answer.body.chunk().await,
            };
            match chunk {
                None => {
                    self.complete = true;
                    return ExchangeEnd::Answered;
                }
                Some(Err(DeliveryError::Broken(error) | DeliveryError::Connect(error))) => {
                    self.broken = Some(error);
                    return ExchangeEnd::Broken;
                }
                Some(Ok(chunk)) => {
                    let overflow = self.collect(&chunk);
                    let part = if self.client.is_some() { Some(chunk) } else { self.spill(dispatcher, &overflow) };
                    if let Some(part) = part
                        && !self.pass_on(part, idle).await
                    {
                        if streams {
                            return ExchangeEnd::ClientGone;
                        }
                        // The client of a sync task has left: its task runs on.
                        self.client = None;
                    }
                }
            }
        }
    }

    fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Keeps what the store may hold; gives what is beyond.
    fn collect(&mut self, chunk: &Bytes) -> Bytes {
        let room = self.keep.saturating_sub(self.collected.len()).min(chunk.len());
        if self.collected.is_empty() {
            self.collected.reserve_exact(room);
        }
        self.collected.extend_from_slice(&chunk[..room]);
        self.truncated |= room < chunk.len();
        chunk.slice(room..)
    }

    /// A result too large to be kept is passed on from here, if it is the one the client will get.
    fn spill(&mut self, dispatcher: &Dispatcher, overflow: &Bytes) -> Option<Bytes> {
        let is_final = self.succeeded() || self.last || (self.status < 500 && self.status != 429);
        if overflow.is_empty() || self.passed_on || !is_final || !self.open_client(dispatcher) {
            return None;
        }
        let mut head = Vec::with_capacity(self.collected.len() + overflow.len());
        head.extend_from_slice(&self.collected);
        head.extend_from_slice(overflow);
        Some(head.into())
    }

    /// Gives the client the head of its reply, the body to follow. `false` if there is no client.
    fn open_client(&mut self, dispatcher: &Dispatcher) -> bool {
        let Some(client) = dispatcher.flights.take_client(self.spec.id) else { return false };
        let (sender, receiver) = mpsc::channel(CHUNKS_UNDER_WAY);
        let reply = Reply::Answer {
            status: self.status,
            content_type: self.content_type.clone(),
            body: ReplyBody::Stream(receiver),
            timing: Timing { worker: self.began.elapsed(), ..self.timing },
        };
        if client.send(reply).is_err() {
            return false;
        }
        self.client = Some(sender);
        self.passed_on = true;
        true
    }

    /// Passes a part on; `false` if the client is gone or has taken nothing for `idle`.
    async fn pass_on(&self, part: Bytes, idle: Duration) -> bool {
        let Some(client) = &self.client else { return true };
        match tokio::time::timeout(idle, client.send(StreamPart::Chunk(part))).await {
            Ok(sent) => sent.is_ok(),
            Err(_) => false,
        }
    }

    /// Closes the client's body: in good order if the answer was complete; else it sees its connection break.
    pub(super) fn close(&mut self, dispatcher: &Dispatcher) {
        let Some(client) = self.client.take().filter(|_| self.complete) else { return };
        if let Err(mpsc::error::TrySendError::Full(end)) = client.try_send(StreamPart::End) {
            let idle = dispatcher.settings.tasks.stream_idle_timeout;
            dispatcher.tasks.spawn(async move {
                // A client that does not even take the end sees its connection break.
                let _ = tokio::time::timeout(idle, client.send(end)).await;
            });
        }
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn collected(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether bytes of the answer have gone to the client.
    pub(super) fn has_passed_on(&self) -> bool {
        self.passed_on
    }

    pub(super) fn broken_text(&self) -> String {
        let error = self.broken.as_deref().unwrap_or("unknown");
        format!("The connection to the worker broke: {error}")
    }

    /// The answer as it is kept.
    pub(super) fn stored(&self) -> StoredResult {
        let content_type = self.content_type.as_ref().and_then(|value| value.to_str().ok()).map(Arc::from);
        StoredResult { status: self.status, content_type, body: self.body.clone(), truncated: self.truncated }
    }

    /// The answer as a reply, unless it was incomplete or has been passed on already.
    pub(super) fn into_answer(self, timing: Timing) -> Option<Reply> {
        (self.complete && !self.passed_on && !self.truncated).then(|| Reply::Answer {
            status: self.status,
            content_type: self.content_type,
            body: ReplyBody::Full(self.body),
            timing,
        })
    }
}
