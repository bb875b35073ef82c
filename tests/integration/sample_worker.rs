//! The sample worker, asked as a balancer asks a worker.

#![expect(clippy::needless_pass_by_value, reason = "json! reads best where it is written")]

mod command;
mod crowd;
mod endpoints;
mod ledger;
mod modes;
mod refusals;
mod slots;
mod socket;

use std::time::Duration;

use andera_lb::config::Secret;
use andera_lb::sample_worker::{SampleWorker, WorkerOptions};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const WORKER_KEY: &str = "worker-key";
const BALANCER_KEY: &str = "balancer-key";

/// Longer than anything here takes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running worker and a client. Stops with the test.
struct Worker {
    url: String,
    ws_port: u16,
    client: Client,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn options() -> WorkerOptions {
    WorkerOptions::new(Secret::new(WORKER_KEY), Secret::new(BALANCER_KEY))
}

async fn start() -> Worker {
    start_with(options()).await
}

async fn start_with(options: WorkerOptions) -> Worker {
    let worker = SampleWorker::bind(options).await.unwrap();
    let (url, ws_port) = (worker.url(), worker.ws_port());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(worker.run(shutdown.clone()));
    let client = Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
    Worker { url, ws_port, client, shutdown, running }
}

impl Worker {
    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).header("authorization", WORKER_KEY)
    }

    /// A task with both keys and no body yet.
    fn task(&self) -> RequestBuilder {
        self.post("/task").header("x-lb-auth", BALANCER_KEY)
    }

    async fn run(&self, body: Value) -> Response {
        self.task().json(&body).send().await.unwrap()
    }

    /// Sends a task without waiting for its answer.
    fn spawn(&self, id: &str, body: Value) -> JoinHandle<Response> {
        let request = self.task().header("x-task-id", id).json(&body);
        tokio::spawn(async move { request.send().await.unwrap() })
    }

    async fn health(&self) -> Value {
        let request = self.client.get(format!("{}/health", self.url)).header("x-lb-auth", BALANCER_KEY);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Waits until the worker has so many busy slots and waiting tasks.
    async fn wait_for(&self, used: u64, queue: u64) {
        let waiting = async {
            loop {
                let slots = self.health().await["slots"].clone();
                if slots["used"] == used && slots["queue"] == queue {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.expect("the slots never came to that");
    }
}

fn call(function: &str, input: Value) -> Value {
    json!({"group": "default", "function": function, "contract": 1, "input": input})
}

/// The call with one more field, or another value of it.
fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

async fn status_and_body(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap())
}
