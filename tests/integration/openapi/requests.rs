//! What the schemas of requests let pass is what the balancer takes.

use serde_json::{Value, json};

use super::bench::Bench;
use crate::harness::{Answer, TestApp, with};

/// Further members of a task, and why it is refused; `None` if it is not.
fn tasks() -> Vec<(Value, Option<&'static str>)> {
    let webhook = |webhook: Value| json!({ "mode": "webhook", "webhook": webhook });
    let options = |options: Value| json!({ "options": options });
    let long = "x".repeat(257);
    vec![
        (json!({ "group": null }), Some("missing_field")),
        (json!({ "group": "" }), Some("missing_field")),
        (json!({ "group": 7 }), Some("invalid_group")),
        (json!({ "group": long }), Some("invalid_group")),
        (json!({ "function": [] }), Some("invalid_function")),
        (json!({ "contract": "1" }), Some("invalid_contract")),
        (json!({ "contract": null }), Some("missing_field")),
        (json!({ "priority": -1 }), Some("invalid_priority")),
        (json!({ "priority": 1.5 }), Some("invalid_priority")),
        (json!({ "priority": 2_097_153 }), Some("invalid_priority")),
        (json!({ "priority": "1" }), Some("invalid_priority")),
        (json!({ "mode": "batch" }), Some("invalid_mode")),
        (json!({ "mode": "webhook" }), Some("invalid_webhook")),
        (webhook(json!({})), Some("invalid_webhook")),
        (webhook(json!({ "url": "ftp://h" })), Some("invalid_webhook")),
        (webhook(json!({ "url": "http://h", "headers": [] })), Some("invalid_webhook")),
        (options(json!([])), Some("invalid_options")),
        (options(json!({ "attempts": 0 })), Some("invalid_options")),
        (options(json!({ "attempts": 101 })), Some("invalid_options")),
        (options(json!({ "timeoutMs": 0 })), Some("invalid_options")),
        (options(json!({ "timeoutMs": 86_400_001 })), Some("invalid_options")),
        (options(json!({ "delayMs": -1 })), Some("invalid_options")),
        (options(json!({ "delayMs": 31_536_000_001_i64 })), Some("invalid_options")),
        (options(json!({ "runAt": "soon" })), Some("invalid_options")),
        (options(json!({ "delayMs": 1, "runAt": "2020-01-01T00:00:00Z" })), Some("invalid_options")),
        (options(json!({ "key": long })), Some("invalid_options")),
        (options(json!({ "tenant": 1 })), Some("invalid_options")),
        (options(json!({ "wat": 1 })), Some("invalid_options")),
        (options(json!({ "idempotencyKey": "a b" })), Some("invalid_idempotency_key")),
        (json!({}), None),
        (json!({ "contract": 1.0 }), None),
        (json!({ "priority": null }), None),
        (json!({ "priority": 0 }), None),
        (json!({ "priority": 2_097_152 }), None),
        (json!({ "something": { "else": true } }), None),
        (options(json!({ "attempts": 100, "timeoutMs": 86_400_000, "delayMs": 31_536_000_000_i64 })), None),
        (options(json!({ "runAt": "2020-01-01T01:00:00.5+01:00", "key": "", "tenant": "é" })), None),
    ]
}

#[tokio::test]
async fn the_schema_of_a_task_and_the_balancer_take_the_same() {
    let bench = Bench::start(&[]).await;
    let operation = bench.document.operation("submitTask");
    let hello = with(TestApp::call("hello", &json!({})), json!({ "mode": "async" }));
    for (fields, expected) in tasks() {
        let task = with(hello.clone(), fields.clone());
        let fits = bench.document.problems_as("TaskRequest", &task).is_empty();
        assert_eq!(fits, expected.is_none(), "{fields}");
        let answer = Answer::of(bench.app.task(&task).send().await.unwrap()).await;
        bench.check(&operation, &answer);
        assert_eq!(answer.json()["code"].as_str(), expected, "{fields}");
    }
}

#[tokio::test]
async fn the_schema_of_a_change_and_the_balancer_take_the_same() {
    let bench = Bench::start(&[]).await;
    let hello = TestApp::call("hello", &json!({}));
    let task = bench.app.accept(&with(hello, json!({ "group": "nobody" }))).await;
    for (change, taken) in [
        (json!({ "priority": 1 }), true),
        (json!({ "priority": 0 }), true),
        (json!({ "priority": null }), true),
        (json!({}), false),
        (json!({ "priority": -1 }), false),
        (json!({ "priority": 2_097_153 }), false),
        (json!({ "priority": 1, "mode": "sync" }), false),
        (json!([]), false),
    ] {
        assert_eq!(bench.document.problems_as("TaskChange", &change).is_empty(), taken, "{change}");
        let answer = bench.app.request("PATCH", &format!("/tasks/{task}")).json(&change).send().await.unwrap();
        assert_eq!(answer.status() == 200, taken, "{change}");
    }
}

#[tokio::test]
async fn the_schema_of_an_item_and_the_balancer_take_the_same() {
    let bench = Bench::start(&[]).await;
    let hello = TestApp::call("hello", &json!({}));
    let modes = [("sync", true), ("async", true), ("stream", false), ("batch", false)];
    let items: Vec<Value> = modes.iter().map(|(mode, _)| with(hello.clone(), json!({ "mode": mode }))).collect();
    let answer = Answer::of(
        bench
            .app
            .request("POST", "/tasks")
            .header("x-wr-auth", crate::harness::WORKER_KEY)
            .json(&items)
            .send()
            .await
            .unwrap(),
    )
    .await;
    bench.check(&bench.document.operation("submitTasks"), &answer);
    for ((item, (mode, taken)), answer) in items.iter().zip(modes).zip(answer.json().as_array().unwrap()) {
        assert_eq!(bench.document.problems_as("BatchItem", item).is_empty(), taken, "{mode}");
        assert_eq!(answer["status"] == "queued", taken, "{mode}");
    }
}
