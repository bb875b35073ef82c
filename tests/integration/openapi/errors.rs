//! What goes wrong is as the document says.

use reqwest::RequestBuilder;
use serde_json::json;

use super::bench::{Ask, Bench};
use super::document::Operation;
use crate::harness::{Answer, LB_KEY, Recorder, TestApp, WORKER_KEY, with};

const NOBODY: &str = "018c0000-0000-7000-8000-000000000000";

impl Bench {
    /// Sends that, checks the answer against the document and gives its status and code.
    pub(super) async fn answer(&self, operation: &Operation<'_>, request: RequestBuilder) -> (u16, String) {
        let answer = Answer::of(request.send().await.unwrap()).await;
        self.check(operation, &answer);
        (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Bodies that no operation takes; `good` is one that this operation does.
fn bad_bodies(good: &str) -> [(&'static str, String, (u16, String)); 3] {
    [
        ("text/plain", good.to_owned(), refused(415, "unsupported_media_type")),
        ("application/json", "{".to_owned(), refused(400, "invalid_json")),
        ("application/json", " ".repeat(1_025), refused(413, "body_too_large")),
    ]
}

pub(super) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn each_operation_refuses_as_documented() {
    let bench = Bench::start(&[("REQUEST_BODY_LIMIT", "1kb")]).await;
    for operation in bench.document.routed() {
        let id = operation.id;
        let keyless = || bench.keyless(&operation, Some(NOBODY), "");
        let with_key = || keyless().header("authorization", LB_KEY);
        if operation.is_protected() {
            assert_eq!(bench.answer(&operation, keyless()).await, refused(401, "unauthorized"), "{id}");
        }
        if operation.parameter("x-wr-auth").is_some() {
            let path = format!("{}{}", bench.app.url, operation.path);
            let bare = crate::harness::app::client().post(path).header("authorization", LB_KEY);
            assert_eq!(bench.answer(&operation, bare).await, refused(400, "missing_worker_key"), "{id}");
        }
        let examples = bench.document.examples(&operation.value["requestBody"]);
        let sends = |kind: &str, body: String| with_key().header("content-type", kind).body(body);
        if operation.path.contains("{name}") {
            bench.refuses_policies(&operation).await;
            continue;
        }
        if operation.path.contains("{id}") {
            let example = examples.first().map(|example| example.value.to_string());
            let request = example.map_or_else(with_key, |body| sends("application/json", body));
            assert_eq!(bench.answer(&operation, request).await, refused(404, "task_not_found"), "{id}");
        } else if let Some(example) = examples.first() {
            for (kind, body, expected) in bad_bodies(&example.value.to_string()) {
                assert_eq!(bench.answer(&operation, sends(kind, body)).await, expected, "{id}");
            }
        }
        if operation.parameters.iter().any(|parameter| parameter["in"] == "query") {
            let query = if operation.parameter("wait").is_some() { "?wait=soon" } else { "?nothing=1" };
            let request = bench.keyless(&operation, Some(NOBODY), query).header("authorization", LB_KEY);
            assert_eq!(bench.answer(&operation, request).await, refused(400, "invalid_query"), "{id}");
        }
        if operation.path.contains("{contract}") {
            let path = operation.path.replace("{group}", "g").replace("{contract}", "one");
            let request = bench.app.request(&operation.method, &path);
            assert_eq!(bench.answer(&operation, request).await, refused(400, "invalid_contract"), "{id}");
        }
    }
}

#[tokio::test]
async fn tasks_that_cannot_be_acted_on_say_why() {
    let bench = Bench::start(&[("REQUEST_BODY_LIMIT", "1kb")]).await;
    let ended = bench.app.submit(&TestApp::call("hello", &json!({}))).await.task_id();
    let hello = TestApp::call("hello", &json!({}));
    let waiting = bench.app.accept(&with(hello, json!({ "group": "nobody" }))).await;
    for (id, task, code) in [
        ("cancelTask", &ended, "task_ended"),
        ("promoteTask", &waiting, "task_not_delayed"),
        ("retryTask", &waiting, "task_not_ended"),
        ("changeTask", &ended, "task_not_waiting"),
    ] {
        let example = (id == "changeTask").then(|| "none".to_owned());
        let ask = Ask { example, id: Some(task.clone()), ..Ask::default() };
        assert_eq!(bench.send(id, ask).await.json()["code"], code, "{id}");
    }
    let operation = bench.document.operation("changeTask");
    let bad_fields = [("{}", "missing_field"), (r#"{"mode":"sync"}"#, "unknown_field")];
    let bad_fields = bad_fields.map(|(body, code)| ("application/json", body.to_owned(), refused(400, code)));
    for (kind, body, expected) in bad_fields.into_iter().chain(bad_bodies(r#"{"priority":1}"#)) {
        let request = bench.app.request("PATCH", &format!("/tasks/{waiting}"));
        let request = request.header("content-type", kind).body(body.clone());
        assert_eq!(bench.answer(&operation, request).await, expected, "{body}");
    }
}

#[tokio::test]
async fn what_becomes_of_a_submission_is_documented() {
    let bench = Bench::start(&[("NO_WORKER_TIMEOUT", "50"), ("TASK_ATTEMPTS", "1")]).await;
    let operation = bench.document.operation("submitTask");
    let hello = TestApp::call("hello", &json!({}));
    let call = |fields| with(hello.clone(), fields);
    let request = |fields| bench.app.task(&call(fields));
    let keyed = |fields| request(fields).header("idempotency-key", "k");
    let slow = json!({ "function": "sleep", "input": { "ms": 60_000 }, "options": { "timeoutMs": 50 } });
    for (request, expected) in [
        (request(json!({ "group": "nobody" })), refused(503, "no_worker")),
        (request(slow), refused(504, "timeout")),
        (request(json!({ "function": "nothing" })), refused(404, "unknown_function")),
        (request(json!({})).header("idempotency-key", "two words"), refused(400, "invalid_idempotency_key")),
        (keyed(json!({})), refused(200, "")),
        (keyed(json!({ "input": {} })), refused(200, "")),
        (keyed(json!({ "input": { "name": "another" } })), refused(422, "idempotency_mismatch")),
        // The worker's own.
        (request(json!({ "function": "fail" })), refused(500, "")),
        (request(json!({ "input": 7 })), refused(400, "")),
    ] {
        assert_eq!(bench.answer(&operation, request).await, expected);
    }
    let wrong = bench.app.request("POST", "/task").header("x-wr-auth", "wrong").json(&hello);
    assert_eq!(bench.answer(&operation, wrong).await, refused(401, ""));
}

#[tokio::test]
async fn the_notice_of_a_failed_webhook_task_is_as_documented() {
    let bench = Bench::start(&[("TASK_ATTEMPTS", "1"), ("WEBHOOK_ALLOW_PRIVATE", "true")]).await;
    let receiver = Recorder::start().await;
    let webhook = json!({ "mode": "webhook", "webhook": { "url": receiver.url } });
    let task = with(TestApp::call("nothing", &json!({})), webhook);
    let request = bench.app.request("POST", "/task").header("x-wr-auth", WORKER_KEY).json(&task);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let notice = receiver.first().await.json();
    assert_eq!(bench.document.problems_as("WebhookNotice", &notice), [""; 0], "{notice}");
}
