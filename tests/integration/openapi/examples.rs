//! The examples of the document, run.

use serde_json::{Value, json};

use super::bench::{Ask, Bench, Covered};
use super::document::members;
use super::{events, policies};
use crate::harness::{Recorder, TestApp, until, with};

pub(super) fn body(example: &str) -> Ask {
    Ask { example: Some(example.to_owned()), ..Ask::default() }
}

pub(super) fn of(task: &str) -> Ask {
    Ask { id: Some(task.to_owned()), ..Ask::default() }
}

fn hello(fields: Value) -> Value {
    with(TestApp::call("hello", &json!({})), fields)
}

/// A task for a group without workers.
pub(super) async fn waits(bench: &Bench, fields: Value) -> String {
    bench.app.accept(&with(hello(json!({ "group": "nobody" })), fields)).await
}

pub(super) async fn delayed(bench: &Bench, group: &str) -> String {
    bench.app.accept(&hello(json!({ "group": group, "options": { "delayMs": 3_600_000 } }))).await
}

/// Cancels a task, so that the next one of its lane is alone.
pub(super) async fn gone(bench: &Bench, task: &str) {
    assert_eq!(bench.send("cancelTask", of(task)).await.status, 200);
}

#[tokio::test]
async fn every_example_gets_the_answer_that_is_shown() {
    let bench = Bench::start(&[]).await;
    let mut covered = Covered::default();
    of_lanes(&mut covered).await;
    of_the_balancer(&bench, &mut covered).await;
    of_submissions(&bench, &mut covered).await;
    of_one_task(&bench, &mut covered).await;
    of_lists(&bench, &mut covered).await;
    events::run(&mut covered).await;
    policies::run(&mut covered).await;

    for operation in bench.document.routed() {
        for (status, response) in members(&operation.value["responses"]) {
            for example in bench.document.examples(response) {
                let seen = covered.contains(&(operation.id.to_owned(), example.name.to_owned()));
                assert!(seen, "{} {status}: the example {} was not run", operation.id, example.name);
            }
        }
        for example in bench.document.examples(&operation.value["requestBody"]) {
            let seen = covered.contains(&(operation.id.to_owned(), example.name.to_owned()));
            assert!(seen, "{}: the request {} was not sent", operation.id, example.name);
        }
    }
}

async fn of_submissions(bench: &Bench, covered: &mut Covered) {
    let receiver = Recorder::start().await;
    for example in ["sync", "stream", "webhook", "async"] {
        let ask = Ask { webhook: Some(receiver.url.clone()), ..body(example) };
        bench.run("submitTask", example, ask, covered).await;
    }
    assert_eq!(receiver.first().await.header("x-job"), "42");
    for example in ["array", "lines"] {
        bench.run("submitTasks", example, body(example), covered).await;
    }
}

async fn of_one_task(bench: &Bench, covered: &mut Covered) {
    let sleep = |fields| with(TestApp::call("sleep", &json!({ "ms": 2 })), fields);
    let at_its_end = |task: &str| Ask { query: "?wait=30s".to_owned(), ..of(task) };
    let completed = bench.app.accept(&sleep(json!({}))).await;
    bench.run("showTask", "completed", at_its_end(&completed), covered).await;
    let slow = json!({ "input": { "ms": 60_000 }, "options": { "attempts": 1, "timeoutMs": 20 } });
    let failed = bench.app.accept(&sleep(slow)).await;
    bench.run("showTask", "failed", at_its_end(&failed), covered).await;

    let waiting = waits(bench, json!({ "priority": 3 })).await;
    bench.run("showTask", "waiting", of(&waiting), covered).await;
    gone(bench, &waiting).await;
    let cancelled = delayed(bench, "default").await;
    bench.run("cancelTask", "cancelled", of(&cancelled), covered).await;

    let later = delayed(bench, "default").await;
    for example in ["priority", "none"] {
        let ask = Ask { example: Some(example.to_owned()), ..of(&later) };
        bench.run("changeTask", example, ask, covered).await;
    }
    let again = waits(bench, json!({})).await;
    gone(bench, &again).await;
    bench.run("retryTask", "queued", of(&again), covered).await;
    gone(bench, &again).await;
    for example in ["same", "input"] {
        let ask = Ask { example: Some(example.to_owned()), ..of(&completed) };
        bench.run("duplicateTask", example, ask, covered).await;
    }
    let promoted = delayed(bench, "nobody").await;
    bench.run("promoteTask", "queued", of(&promoted), covered).await;
    gone(bench, &promoted).await;
}

async fn of_lists(bench: &Bench, covered: &mut Covered) {
    waits(bench, json!({})).await;
    waits(bench, json!({})).await;
    let newest = Ask { query: "?group=nobody&state=queued&limit=1".to_owned(), ..Ask::default() };
    bench.run("listTasks", "page", newest, covered).await;

    let operation = bench.document.operation("listTasks");
    let mut all = String::from("?");
    for parameter in &operation.parameters {
        let (name, example) = (parameter["name"].as_str().unwrap(), &parameter["example"]);
        let words = example.as_array().map(|words| words.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>());
        let value = words.map_or_else(|| example.as_str().map_or(example.to_string(), str::to_owned), |w| w.join(","));
        let query = format!("{name}={}", value.replace(' ', "%20"));
        let ask = Ask { query: format!("?{query}"), ..Ask::default() };
        assert_eq!(bench.send("listTasks", ask).await.status, 200, "{query}");
        all = format!("{all}{query}&");
    }
    let ask = Ask { query: all.trim_end_matches('&').to_owned(), ..Ask::default() };
    assert_eq!(bench.send("listTasks", ask).await.status, 200, "{all}");
}

/// Those that show how many tasks there are have a balancer of their own.
async fn of_lanes(covered: &mut Covered) {
    let bench = Bench::start(&[]).await;
    assert_eq!(bench.app.submit(&hello(json!({}))).await.status, 200);
    until("all slots are free", || async {
        let lanes = bench.send("listLanes", Ask::default()).await.json();
        lanes[0]["freeSlots"] == 10 && lanes[0]["counts"]["completed"] == 1
    })
    .await;
    for (id, example) in [("listLanes", "lanes"), ("pauseLane", "paused"), ("resumeLane", "resumed")] {
        bench.run(id, example, Ask::default(), covered).await;
    }
}

async fn of_the_balancer(bench: &Bench, covered: &mut Covered) {
    let keyless = Ask { keyless: true, ..Ask::default() };
    bench.run("health", "withoutKey", keyless, covered).await;
    for (id, example) in [("health", "withKey"), ("logs", "logs"), ("metrics", "metrics"), ("openapi", "document")] {
        bench.run(id, example, Ask::default(), covered).await;
    }
}
