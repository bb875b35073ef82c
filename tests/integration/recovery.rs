//! What a balancer finds when it starts in the directory of an earlier one.

mod damage;
mod full_disk;
mod lock;

use andera_lb::task::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::harness::{TestApp, TestWorker, until, with};

/// An async call.
fn call(function: &str, input: &Value, fields: Value) -> Value {
    with(with(TestApp::call(function, input), json!({ "mode": "async" })), fields)
}

#[tokio::test]
async fn the_ends_of_tasks_outlive_the_process_however_it_ends() {
    let worker = TestWorker::start(&[]).await;
    let mut app = TestApp::start(&[&worker]).await;
    let mut before = Vec::new();
    for task in [
        call("echo", &json!({ "text": "\u{e9}\u{4e2d}" }), json!({ "priority": 3 })),
        call("big", &json!({ "bytes": 300_000 }), json!({})),
        call("fail", &json!({ "message": "no luck" }), json!({ "options": { "attempts": 2 } })),
        call("fail", &json!({ "times": 1 }), json!({})),
    ] {
        let id = app.accept(&task).await;
        before.push(app.ended(&id).await);
    }
    assert_eq!(before[3]["attempts"].as_array().unwrap().len(), 2);
    let gone = app.accept(&call("hello", &json!({}), json!({ "options": { "delayMs": 600_000 } }))).await;
    let cancelled = app.request("DELETE", &format!("/tasks/{gone}")).send().await.unwrap();
    before.push(cancelled.json().await.unwrap());
    for kill in [false, true, true] {
        if kill {
            app.kill().await;
        } else {
            app.terminate();
            assert!(app.exited().await.success());
        }
        app.restart().await;
        let line = app.lines_with("recovered the tasks of the last run").pop().unwrap();
        assert!(line.contains("waiting=0 interrupted=0 ended=5"), "{line}");
        for task in &before {
            assert_eq!(app.shown(task["taskId"].as_str().unwrap()).await, *task, "kill: {kill}");
        }
    }
    assert_eq!(worker.started(), 6, "nothing was run again");
}

#[tokio::test]
async fn an_interrupted_task_runs_again_without_an_attempt_and_one_that_may_run_once_fails() {
    let worker = TestWorker::start(&["--slots", "4"]).await;
    let mut app = TestApp::start(&[&worker]).await;
    let again = app.accept(&call("sleep", &json!({ "ms": 1_000 }), json!({}))).await;
    let once = app.accept(&call("sleep", &json!({ "ms": 1_000 }), json!({ "options": { "attempts": 1 } }))).await;
    let stream = with(TestApp::call("countdown", &json!({ "from": 600 })), json!({ "mode": "stream" }));
    let stream = app.task(&stream).send().await.unwrap();
    let streamed = stream.headers()["x-task-id"].to_str().unwrap().to_owned();
    worker.has_started(3).await;
    app.kill().await;
    app.restart().await;
    let line = app.lines_with("recovered the tasks of the last run").pop().unwrap();
    assert!(line.contains("interrupted=3"), "{line}");

    let [again, once, streamed] = [app.ended(&again).await, app.ended(&once).await, app.ended(&streamed).await];
    assert_eq!((&again["state"], &again["interruptions"]), (&json!("completed"), &json!(1)));
    assert_eq!(again["attempts"].as_array().unwrap().len(), 1);
    assert_eq!((&once["state"], &once["code"]), (&json!("failed"), &json!("interrupted")));
    assert_eq!((&streamed["state"], &streamed["code"]), (&json!("cancelled"), &json!("client_gone")));
    assert_eq!(worker.started(), 4, "only one of them ran again");
}

#[tokio::test]
async fn a_task_is_interrupted_only_so_often() {
    let worker = TestWorker::start(&["--slots", "4"]).await;
    let mut app = TestApp::start_with(&[&worker], &[("MAX_INTERRUPTIONS", "1")]).await;
    let id = app.accept(&call("sleep", &json!({ "ms": 60_000 }), json!({}))).await;
    for runs in [1, 2] {
        worker.has_started(runs).await;
        app.kill().await;
        app.restart().await;
    }
    let task = app.ended(&id).await;
    assert_eq!(
        (&task["state"], &task["code"], &task["interruptions"]),
        (&json!("failed"), &json!("interrupted"), &json!(2))
    );
    assert_eq!(worker.started(), 2);
}

#[tokio::test]
async fn a_delayed_task_runs_at_its_time_not_before_and_not_when_the_balancer_came_back() {
    let worker = TestWorker::start(&[]).await;
    let mut app = TestApp::start(&[&worker]).await;
    let missed = app.accept(&call("hello", &json!({}), json!({ "options": { "delayMs": 1 } }))).await;
    app.kill().await;
    app.restart().await;
    assert_eq!(app.ended(&missed).await["state"], "completed", "one that fell due meanwhile");

    let begun = Timestamp::as_millis(Clock::system().now());
    let later = app.accept(&call("hello", &json!({}), json!({ "options": { "delayMs": 3_000 } }))).await;
    app.kill().await;
    app.restart().await;
    assert_eq!(app.shown(&later).await["state"], "delayed");
    assert_eq!(app.ended(&later).await["state"], "completed");
    let starts: Vec<i64> = worker
        .ledger()
        .iter()
        .filter(|event| event["event"] == "start" && event["taskId"] == later.as_str())
        .map(|event| event["at"].as_i64().unwrap())
        .collect();
    assert_eq!(starts.len(), 1);
    assert!(starts[0] >= begun + 3_000, "{} ms early", begun + 3_000 - starts[0]);
}

#[tokio::test]
async fn what_waits_keeps_its_order_its_pause_and_its_key() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let mut app = TestApp::start(&[&worker]).await;
    let pause = |action: &'static str| format!("/lanes/default/1/{action}");
    app.request("POST", &pause("pause")).send().await.unwrap();
    let mut ids = Vec::new();
    for priority in [5, 1, 0, 5, 2] {
        let task = if priority == 0 { json!({}) } else { json!({ "priority": priority }) };
        ids.push(app.accept(&call("hello", &json!({}), task)).await);
    }
    let keyed = call("hello", &json!({ "name": "key" }), json!({}));
    let send = |app: &TestApp| app.task(&keyed).header("idempotency-key", "k").send();
    let id = send(&app).await.unwrap().headers()["x-task-id"].clone();
    let patch = app.request("PATCH", &format!("/tasks/{}", ids[0])).json(&json!({ "priority": 1 }));
    assert_eq!(patch.send().await.unwrap().status(), 200);
    for _ in 0..2 {
        app.kill().await;
        app.restart().await;
        app.ready(1).await;
        assert_eq!(app.get("/lanes").await.json()[0]["paused"], true);
        assert_eq!(send(&app).await.unwrap().headers()["x-task-id"], id);
        assert_eq!(worker.started(), 0);
    }
    app.request("POST", &pause("resume")).send().await.unwrap();
    until("all have run", || async { worker.started() == 6 }).await;
    let expected = [&ids[2][..], id.to_str().unwrap(), &ids[0], &ids[1], &ids[4], &ids[3]];
    assert_eq!(worker.order(), expected);
}
