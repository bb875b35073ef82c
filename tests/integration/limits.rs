//! When tasks may run, how many may wait, and how much of a result is kept.

use andera_lb::task::Timestamp;
use serde_json::{Value, json};

use crate::harness::{TestApp, TestWorker, with};

fn millis(moment: &Value) -> i64 {
    Timestamp::from_rfc3339(moment.as_str().unwrap()).unwrap().as_millis()
}

#[tokio::test]
async fn a_delayed_task_runs_when_its_time_has_come() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let hello = TestApp::call("hello", &json!({}));
    let delayed = app.accept(&with(hello.clone(), json!({ "options": { "delayMs": 1500 } }))).await;
    let shown = app.shown(&delayed).await;
    assert_eq!(shown["state"], "delayed");
    assert_eq!(millis(&shown["runAt"]), millis(&shown["createdAt"]) + 1500);
    // Later ones pass it.
    assert_eq!(app.submit(&hello).await.status, 200);
    let task = app.ended(&delayed).await;
    let wait = millis(&task["attempts"][0]["startedAt"]) - millis(&task["createdAt"]);
    assert!((1500..10_000).contains(&wait), "{wait} ms");
    assert_eq!(worker.order().last(), Some(&delayed));
}

#[tokio::test]
async fn a_task_may_name_the_moment_of_its_run() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let hello = TestApp::call("hello", &json!({}));
    let now = millis(&app.shown(&app.accept(&hello).await).await["createdAt"]);
    let at = Timestamp::from_millis(now + 1000).to_rfc3339();
    // A client that waits waits for that too.
    let answer = app.submit(&with(hello.clone(), json!({ "options": { "runAt": at } }))).await;
    assert_eq!(answer.status, 200);
    assert!(worker.time_of("start", 1) >= now + 1000);
    let past = with(hello, json!({ "options": { "runAt": "2001-01-01T00:00:00Z" } }));
    assert_eq!(app.submit(&past).await.status, 200);
}

#[tokio::test]
async fn a_full_queue_takes_no_more_until_there_is_room() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start_with(&[&worker], &[("MAX_QUEUED_TASKS", "2")]).await;
    app.accept(&TestApp::call("sleep", &json!({ "ms": 1500 }))).await;
    worker.has_started(1).await;
    let hello = TestApp::call("hello", &json!({}));
    let waiting = [app.accept(&hello).await, app.accept(&hello).await];
    for mode in ["sync", "async"] {
        let answer = app.submit(&with(hello.clone(), json!({ "mode": mode }))).await;
        assert_eq!((answer.status, &answer.json()["code"]), (429, &json!("queue_full")), "{mode}");
        assert!(answer.header("retry-after").is_some());
        assert!(answer.json()["taskId"].is_null() && answer.header("x-task-id").is_none(), "there is no task");
    }
    for id in waiting {
        assert_eq!(app.ended(&id).await["state"], "completed");
    }
    assert_eq!(app.submit(&hello).await.status, 200);
    assert_eq!(worker.started(), 4);
    let submitted = ["sync", "async"].map(|mode| format!("andera_lb_tasks_submitted_total{{mode=\"{mode}\"}}"));
    assert_eq!((app.metric(&submitted[0]).await, app.metric(&submitted[1]).await), (1, 3));
}

#[tokio::test]
async fn a_large_result_reaches_its_client_whole_and_is_kept_cut() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("RESULT_MAX_BYTES", "1kb")]).await;
    let big = TestApp::call("big", &json!({ "bytes": 1_000_000 }));
    let answer = app.submit(&big).await;
    assert_eq!(answer.json()["result"]["data"].as_str().unwrap().len(), 1_000_000);
    for id in [answer.task_id(), app.accept(&big).await] {
        let task = app.ended(&id).await;
        assert_eq!((&task["state"], &task["resultTruncated"]), (&json!("completed"), &json!(true)));
        assert_eq!(task["result"].as_str().unwrap().len(), 1024);
    }
    let small = app.submit(&TestApp::call("big", &json!({ "bytes": 100 }))).await;
    let task = app.ended(&small.task_id()).await;
    assert_eq!((&task["resultTruncated"], &task["result"]), (&Value::Null, &small.json()));
}
