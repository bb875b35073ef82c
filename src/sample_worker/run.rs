//! `POST /task`: from the request to the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::oneshot;

use super::admission::{Delivery, Task, admit, task_id, text};
use super::body::{Answer, Body, json, json_of, plain_stream};
use super::call::{Call, Failure};
use super::ledger::{Entry, Event, Ledger};
use super::refusal::Refusal;
use super::slots::Slot;
use super::task_body::TaskBody;
use super::webhook::Target;
use super::worker::Worker;
use crate::task::Priority;

/// The `10mb` of the protocol.
const MAX_BODY: usize = 10 * 1024 * 1024;

const SENT: &str = r#"{"success":true,"message":"Sent to webhook"}"#;

/// Answers a request. If the client goes away, a task that waits for a slot is forgotten and one that runs goes on.
pub(super) async fn task(worker: &Arc<Worker>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let body = read(body).await;
    match admit(worker, &head.headers, body.as_ref().map_err(Clone::clone)) {
        Ok(task) => run(worker, task).await,
        Err(refusal) => {
            refused(worker, &head, body.as_deref().unwrap_or_default(), &refusal).await;
            refusal.answer()
        }
    }
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Err(_) => Err(Refusal::Unreadable),
    }
}

async fn refused(worker: &Worker, head: &Parts, body: &[u8], refusal: &Refusal) {
    worker.logs.warn("TASK", &format!("Refused with {}: {refusal}", refusal.status().as_u16()));
    let Some(ledger) = &worker.ledger else { return };
    let body: TaskBody<'_> = serde_json::from_slice(body).unwrap_or_default();
    let function = body.function_name();
    let entry = Entry {
        event: Event::Refused,
        task: text(task_id(&head.headers)),
        function: function.as_deref(),
        priority: body.priority,
        ok: Some(false),
        status: Some(refusal.status().as_u16()),
    };
    ledger.record(entry).await;
}

async fn run(worker: &Arc<Worker>, task: Task) -> Answer {
    let Some(slot) = worker.slots.acquire(Priority::rank(task.priority)).await else { return stopping() };
    if let (Call::Instant(answer), Delivery::Answer, None) = (&task.call, &task.delivery, &worker.ledger) {
        return json(StatusCode::OK, answer.clone());
    }
    let (reply, answer) = oneshot::channel();
    let job = Job { worker: Arc::clone(worker), slot, reply };
    worker.spawn(job.run(task));
    answer.await.unwrap_or_else(|_| stopping())
}

fn stopping() -> Answer {
    json_of(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": "Worker is shutting down"}))
}

/// A function that runs, whoever waits for its answer.
struct Job {
    worker: Arc<Worker>,
    slot: Slot,
    reply: oneshot::Sender<Answer>,
}

impl Job {
    async fn run(self, task: Task) {
        let Self { worker, slot, reply } = self;
        let record = worker.ledger.as_ref().map(|ledger| Record::new(ledger, &task));
        if let Some(record) = &record {
            record.start().await;
        }
        let id = task.id.clone();
        let id = text(id.as_ref());
        let (answer, ok) = match (task.delivery, task.call) {
            (Delivery::Stream, Call::Countdown(countdown)) => {
                let (chunks, body) = Body::stream();
                drop(reply.send(plain_stream(body)));
                let ended = countdown.stream(&chunks).await;
                finish(slot, record, ended.is_ok()).await;
                if let Err(aborted) = ended {
                    drop(chunks.send(Err(aborted)).await);
                }
                return;
            }
            (Delivery::Webhook(target), call) => deliver(&worker, call, id, target).await,
            (_, call) => match call.run(id, &worker.failures).await {
                Ok(answer) => (json(StatusCode::OK, answer), true),
                Err(failure) => (failed(&worker, &failure), false),
            },
        };
        finish(slot, record, ok).await;
        drop(reply.send(answer));
    }
}

/// Comes before the last byte: whoever has that may send the next task at once, and finds the slot free.
async fn finish(slot: Slot, record: Option<Record<'_>>, ok: bool) {
    if let Some(record) = record {
        record.end(ok).await;
    }
    drop(slot);
}

/// Runs the function, posts its result, and only then answers.
async fn deliver(worker: &Worker, call: Call, id: &str, target: Target) -> (Answer, bool) {
    let result = match call.run(id, &worker.failures).await {
        Ok(result) => result,
        Err(failure) => return (failed(worker, &failure), false),
    };
    match worker.webhooks.post(&target, result).await {
        Ok(()) => (json(StatusCode::OK, Bytes::from_static(SENT.as_bytes())), true),
        Err(problem) => (failed(worker, &Failure::new(format!("Failed to send webhook: {problem}"))), false),
    }
}

fn failed(worker: &Worker, failure: &Failure) -> Answer {
    worker.logs.warn("TASK", &format!("Failed: {}", failure.message));
    failure.answer()
}

/// The lines of one run in the ledger.
struct Record<'a> {
    ledger: &'a Ledger,
    task: String,
    function: &'static str,
    priority: Option<Priority>,
}

impl<'a> Record<'a> {
    fn new(ledger: &'a Ledger, task: &Task) -> Self {
        Self { ledger, task: task.id().to_owned(), function: task.function.name(), priority: task.priority }
    }

    async fn start(&self) {
        self.write(Event::Start, None).await;
    }

    async fn end(&self, ok: bool) {
        self.write(Event::End, Some(ok)).await;
    }

    async fn write(&self, event: Event, ok: Option<bool>) {
        let (task, function) = (self.task.as_str(), Some(self.function));
        let entry = Entry { event, task, function, priority: self.priority, ok, status: None };
        self.ledger.record(entry).await;
    }
}
