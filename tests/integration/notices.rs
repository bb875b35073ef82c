//! The balancer's word to webhooks outlives the balancer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::app::client;
use crate::harness::{Answer, LB_KEY, Process, Recorded, Recorder, TestApp, TestWorker, WORKER_KEY, until, with};

const SECRET: &[u8] = b"the secret of the receiver";

/// A balancer that dies and comes back in the same directory.
struct Mortal {
    process: Process,
    url: String,
    directory: TempDir,
}

impl Mortal {
    async fn start(worker: &TestWorker) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("workers.json"), json!([worker.url]).to_string()).unwrap();
        let (process, url) = Self::process(&directory).await;
        Self { process, url, directory }
    }

    async fn process(directory: &TempDir) -> (Process, String) {
        let secret = format!("whsec_{}", STANDARD.encode(SECRET));
        let env = [
            ("LB_AUTH_KEY", LB_KEY),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("WORKER_DISCOVERY_INTERVAL", "250"),
            ("WEBHOOK_ALLOW_PRIVATE", "true"),
            ("WEBHOOK_SECRET", &secret),
        ];
        let process = Process::start(&["serve"], &env, directory.path());
        let address = process.printed("listening address=").await;
        (process, format!("http://{address}"))
    }

    async fn kill(&mut self) {
        self.process.kill().await;
    }

    async fn end(&mut self) {
        self.process.signal("-TERM");
        assert!(self.process.ended().await.success());
    }

    async fn start_again(&mut self) {
        (self.process, self.url) = Self::process(&self.directory).await;
    }

    /// Sends a webhook task; gives its id.
    async fn submit(&self, function: &str, input: &Value, receiver: &str, options: &Value) -> String {
        let fields = json!({ "mode": "webhook", "webhook": { "url": receiver }, "options": options });
        let task = with(TestApp::call(function, input), fields);
        let request = client().post(format!("{}/task", self.url)).header("authorization", LB_KEY);
        let answer = Answer::of(request.header("x-wr-auth", WORKER_KEY).json(&task).send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.task_id()
    }

    async fn ended(&self, id: &str) -> Value {
        let request = client().get(format!("{}/tasks/{id}?wait=60s", self.url)).header("authorization", LB_KEY);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A task whose function nobody has: it has failed when this returns.
    async fn failed(&self, receiver: &str) -> String {
        let id = self.submit("nothing", &json!({}), receiver, &json!({})).await;
        assert_eq!(self.ended(&id).await["code"], "rejected_by_worker");
        id
    }
}

/// The notice's own id, if it is signed as it should be.
fn signed_id(notice: &Recorded) -> String {
    let (id, time) = (notice.header("webhook-id"), notice.header("webhook-timestamp"));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = hmac::sign(&key, format!("{id}.{time}.{}", notice.text()).as_bytes());
    assert_eq!(notice.header("webhook-signature"), format!("v1,{}", STANDARD.encode(signature)));
    id.to_owned()
}

/// An address at which nobody listens.
async fn nowhere() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_webhook_is_told_once_of_a_failure_that_the_balancer_did_not_survive() {
    let (worker, address) = (TestWorker::start(&[]).await, nowhere().await);
    let mut app = Mortal::start(&worker).await;
    let url = format!("http://{address}");
    let id = app.failed(&url).await;
    app.kill().await;
    app.start_again().await;
    let receiver = Recorder::start_at(&address).await;
    let notice = receiver.first().await;
    assert_eq!((&notice.json()["success"], &notice.json()["taskId"]), (&json!(false), &json!(id)));
    assert_eq!(notice.json()["code"], "rejected_by_worker");
    assert!(signed_id(&notice).starts_with(&id));
    // What is done is done, also for the next process.
    app.end().await;
    assert_eq!(receiver.take().len(), 1);
    app.start_again().await;
    let other = app.failed(&url).await;
    receiver.first().await;
    app.end().await;
    let told = receiver.take();
    assert_eq!(told.iter().map(|notice| notice.json()["taskId"].clone()).collect::<Vec<_>>(), [other]);
}

#[tokio::test]
async fn a_notice_that_is_sent_again_after_a_crash_is_known_by_its_id() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    receiver.ails(true);
    let mut app = Mortal::start(&worker).await;
    app.failed(&receiver.url).await;
    let before = signed_id(&receiver.first().await);
    app.kill().await;
    receiver.take();
    receiver.ails(false);
    app.start_again().await;
    assert_eq!(signed_id(&receiver.first().await), before);
    app.end().await;
    assert_eq!(receiver.take().len(), 1);
}

#[tokio::test]
async fn a_task_that_the_kill_has_ended_is_told_of_after_the_restart() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    let mut app = Mortal::start(&worker).await;
    let id = app.submit("sleep", &json!({ "ms": 600_000 }), &receiver.url, &json!({ "attempts": 1 })).await;
    worker.has_started(1).await;
    app.kill().await;
    app.start_again().await;
    let notice = receiver.first().await;
    assert_eq!((&notice.json()["code"], &notice.json()["taskId"]), (&json!("interrupted"), &json!(id)));
    signed_id(&notice);
    app.end().await;
    assert_eq!(receiver.take().len(), 1);
    assert_eq!(worker.started(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_down_does_not_hold_up_the_end_and_is_told_after_it() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    receiver.ails(true);
    let mut app = Mortal::start(&worker).await;
    let id = app.failed(&receiver.url).await;
    receiver.first().await;
    app.end().await;
    receiver.take();
    receiver.ails(false);
    app.start_again().await;
    assert_eq!(receiver.first().await.json()["taskId"], id);
}

#[tokio::test]
async fn each_failure_of_a_task_that_is_run_again_has_a_notice_of_its_own() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    let app = Mortal::start(&worker).await;
    let id = app.failed(&receiver.url).await;
    let first = signed_id(&receiver.first().await);
    receiver.take();
    let retry = client().post(format!("{}/tasks/{id}/retry", app.url)).header("authorization", LB_KEY);
    assert_eq!(retry.send().await.unwrap().status(), 200);
    assert_ne!(signed_id(&receiver.first().await), first);
    until("the task has failed again", || async { app.ended(&id).await["attempts"][1].is_object() }).await;
    assert_eq!(receiver.take().len(), 1);
}

#[tokio::test]
async fn a_failure_that_is_taken_back_by_a_retry_is_not_told_any_more() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    receiver.ails(true);
    let mut app = Mortal::start(&worker).await;
    let id = app.submit("fail", &json!({ "times": 1 }), &receiver.url, &json!({ "attempts": 1 })).await;
    assert_eq!(receiver.first().await.json()["success"], false);
    receiver.ails(false);
    receiver.take();
    let retry = client().post(format!("{}/tasks/{id}/retry", app.url)).header("authorization", LB_KEY);
    assert_eq!(retry.send().await.unwrap().status(), 200);
    assert_eq!(app.ended(&id).await["state"], "completed");
    // Waits for notices that are under way.
    app.end().await;
    // A slow machine may have sent the notice before the retry.
    let posted = receiver.take();
    assert_eq!(posted.last().unwrap().json()["success"], true, "{posted:?}");
}
