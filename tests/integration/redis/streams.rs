//! Streams whose balancer finds no free slot, and another one does.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{hello, sleep};
use crate::harness::{Redis, Say, StubWorker, TestApp, until, with};

/// A worker with one slot, a balancer that never sees it free, and one that does.
struct Fleet {
    redis: Redis,
    worker: StubWorker,
    owner: TestApp,
    lender: TestApp,
}

const LEASE: (&str, &str) = ("LEASE_MS", "1000");

impl Fleet {
    async fn start(script: &[Say], env: &[(&str, &str)]) -> Self {
        let (redis, worker) = (Redis::start().await, StubWorker::start(1, script).await);
        let owner = Self::owner(&redis, &worker, env).await;
        let lender = Self::lender(&redis, &worker, env).await;
        Self { redis, worker, owner, lender }
    }

    async fn owner(redis: &Redis, worker: &StubWorker, env: &[(&str, &str)]) -> TestApp {
        worker.says_busy(1);
        let env = [&[LEASE, ("WORKER_DISCOVERY_INTERVAL", "1h")], env].concat();
        let owner = TestApp::start_for(&[&worker.url], &redis.env(&env)).await;
        owner.ready(1).await;
        owner
    }

    async fn lender(redis: &Redis, worker: &StubWorker, env: &[(&str, &str)]) -> TestApp {
        worker.says_busy(0);
        let env = [&[LEASE], env].concat();
        let lender = TestApp::start_for(&[&worker.url], &redis.env(&env)).await;
        lender.ready(1).await;
        lender
    }

    async fn has_been_asked(&self, times: usize) {
        until(&format!("{times} requests"), || async { self.worker.requests() == times }).await;
    }

    /// The only slot runs a task again.
    async fn slot_is_free_again(&self) {
        assert_eq!(self.lender.ended(&self.lender.accept(&hello(json!({}))).await).await["state"], "completed");
    }
}

fn stream() -> Value {
    with(TestApp::call("countdown", &json!({})), json!({ "mode": "stream" }))
}

fn success() -> Say {
    Say::Json(200, json!({ "success": true }))
}

fn state_and_code(task: &Value) -> (&str, &str) {
    (task["state"].as_str().unwrap(), task["code"].as_str().unwrap_or_default())
}

/// The id of the only task.
async fn only_task(app: &TestApp) -> String {
    let tasks = app.get("/tasks").await.json();
    tasks["tasks"][0]["taskId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_keeps_its_place_and_its_client_gets_the_bytes_as_they_come() {
    let script = [Say::Later(Duration::from_secs(2)), Say::Hush, success()];
    let fleet = Fleet::start(&script, &[("LOG_LEVEL", "debug")]).await;
    fleet.lender.accept(&sleep(0)).await;
    fleet.has_been_asked(1).await;
    let client = tokio::spawn(fleet.owner.task(&stream()).send());
    fleet.lender.waiting("default", 1).await;
    let behind = fleet.lender.accept(&hello(json!({}))).await;
    let mut response = client.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    let id = response.headers()["x-task-id"].to_str().unwrap().to_owned();
    assert!(response.chunk().await.unwrap().is_some(), "though the stream goes on");
    assert_eq!(fleet.owner.shown(&id).await["attempts"][0]["worker"], fleet.worker.url, "it runs there");
    fleet.lender.prints("a stream was taken over").await;
    // Whoever comes now would find the slot, if it were free.
    fleet.lender.accept(&hello(json!({}))).await;
    assert_eq!((fleet.worker.requests(), fleet.worker.running()), (2, 1), "the slot is taken at the other one");
    assert_eq!(fleet.lender.shown(&behind).await["state"], "queued");
    drop(response);
    assert_eq!(state_and_code(&fleet.lender.ended(&id).await), ("cancelled", "client_gone"));
    assert_eq!(fleet.lender.ended(&behind).await["state"], "completed", "the slot is free again");
}

#[tokio::test]
async fn it_is_run_again_after_a_failed_attempt() {
    let failure = Say::Json(500, json!({ "success": false, "error": "no" }));
    let fleet = Fleet::start(&[failure, success()], &[]).await;
    let answer = fleet.owner.submit(&stream()).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "success": true })));
    let task = fleet.owner.ended(&answer.task_id()).await;
    let outcomes: Vec<_> = task["attempts"].as_array().unwrap().iter().map(|run| run["outcome"].clone()).collect();
    assert_eq!(outcomes, ["failed", "completed"]);
    fleet.slot_is_free_again().await;
}

#[tokio::test]
async fn one_whose_balancer_dies_while_it_runs_is_cancelled_and_its_slot_free_again() {
    let mut fleet = Fleet::start(&[Say::Hush, success()], &[]).await;
    let client = fleet.owner.spawn(&stream());
    fleet.has_been_asked(1).await;
    let id = only_task(&fleet.lender).await;
    fleet.owner.kill().await;
    client.abort();
    let task = fleet.lender.ended(&id).await;
    assert_eq!((state_and_code(&task), &task["interruptions"]), (("cancelled", "client_gone"), &json!(1)));
    assert_eq!(fleet.worker.requests(), 1, "nobody would read what it answers");
    fleet.slot_is_free_again().await;
}

#[tokio::test]
async fn one_whose_balancer_dies_while_it_waits_is_cancelled() {
    let (redis, worker) = (Redis::start().await, StubWorker::start(1, &[success()]).await);
    let mut owner = Fleet::owner(&redis, &worker, &[]).await;
    let client = owner.spawn(&stream());
    owner.waiting("default", 1).await;
    let id = only_task(&owner).await;
    owner.kill().await;
    client.abort();
    let lender = Fleet::lender(&redis, &worker, &[]).await;
    assert_eq!(state_and_code(&lender.ended(&id).await), ("cancelled", "client_gone"));
    assert_eq!(worker.requests(), 0);
    Fleet { redis, worker, owner, lender }.slot_is_free_again().await;
}

#[tokio::test]
async fn any_balancer_cancels_it() {
    let fleet = Fleet::start(&[Say::Hush, Say::Hush, success()], &[]).await;
    for (asked, by) in [(1, &fleet.lender), (2, &fleet.owner)] {
        let mut response = fleet.owner.task(&stream()).send().await.unwrap();
        assert!(response.chunk().await.unwrap().is_some());
        let id = response.headers()["x-task-id"].to_str().unwrap().to_owned();
        by.request("DELETE", &format!("/tasks/{id}")).send().await.unwrap();
        assert_eq!(state_and_code(&by.ended(&id).await), ("cancelled", "cancelled"));
        until("the request is dropped", || async { fleet.worker.running() == 0 }).await;
        let end = loop {
            match response.chunk().await {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        assert!(end.is_err(), "the client sees its connection break");
        fleet.has_been_asked(asked).await;
    }
    fleet.slot_is_free_again().await;
}

#[tokio::test]
async fn it_runs_on_when_the_balancer_dies_that_had_the_slot() {
    let mut fleet = Fleet::start(&[Say::Later(Duration::from_secs(3))], &[]).await;
    let client = fleet.owner.spawn(&stream());
    fleet.has_been_asked(1).await;
    fleet.lender.kill().await;
    let answer = client.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let task = fleet.owner.ended(&answer.task_id()).await;
    assert_eq!((&task["interruptions"], fleet.worker.requests()), (&json!(0), 1));
}

#[tokio::test]
async fn it_ends_in_good_order_when_both_balancers_stop() {
    let mut fleet = Fleet::start(&[Say::Later(Duration::from_secs(2))], &[]).await;
    let client = fleet.owner.spawn(&stream());
    fleet.has_been_asked(1).await;
    for app in [&mut fleet.lender, &mut fleet.owner] {
        app.terminate();
        assert_eq!(app.exited().await.code(), Some(0));
    }
    assert_eq!(client.await.unwrap().status, 200);
    assert_eq!(fleet.worker.requests(), 1);
}

#[tokio::test]
async fn a_late_offer_does_no_harm() {
    let failure = Say::Json(500, json!({ "success": false, "error": "no" }));
    let env = [("TASK_BACKOFF", "1m"), ("TASK_BACKOFF_MAX", "1m"), ("LOG_LEVEL", "debug")];
    let fleet = Fleet::start(&[failure], &env).await;
    let mut messages = fleet.redis.messages().await;
    let client = fleet.owner.spawn(&stream());
    let offer = loop {
        let message = messages.next().await.unwrap();
        if message.contains("\"offer\"") {
            break message;
        }
    };
    fleet.has_been_asked(1).await;
    let id = only_task(&fleet.owner).await;
    until("it is to be run again later", || async { fleet.owner.shown(&id).await["state"] == "delayed" }).await;
    let refused = fleet.owner.lines_with("an offer is not taken up").len();
    fleet.redis.publish(&offer).await;
    until("it is refused", || async { fleet.owner.lines_with("an offer is not taken up").len() > refused }).await;
    let task = fleet.owner.shown(&id).await;
    assert_eq!((&task["state"], fleet.worker.requests()), (&json!("delayed"), 1), "{task}");
    client.abort();
    assert_eq!(state_and_code(&fleet.owner.ended(&id).await), ("cancelled", "client_gone"));
}

#[tokio::test]
async fn a_worker_that_its_balancer_does_not_list_never_gets_it() {
    let (redis, worker) = (Redis::start().await, StubWorker::start(1, &[success()]).await);
    let owner = TestApp::start_for(&[], &redis.env(&[("NO_WORKER_TIMEOUT", "1m")])).await;
    let lender = Fleet::lender(&redis, &worker, &[]).await;
    let client = owner.spawn(&stream());
    owner.prints("on a worker that is not listed here").await;
    let fleet = Fleet { redis, worker, owner, lender };
    fleet.slot_is_free_again().await;
    assert_eq!(fleet.worker.requests(), 1, "only what stood behind it");
    fleet.owner.list(&[&fleet.worker.url]);
    assert_eq!(client.await.unwrap().status, 200);
}
