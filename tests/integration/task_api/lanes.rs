//! `/lanes`.

use serde_json::{Value, json};

use super::{error, refused, running, send, sent, task};
use crate::harness::{TestApp, TestWorker, until};

async fn lane(app: &TestApp, group: &str) -> Value {
    let lanes = app.get("/lanes").await.json();
    lanes.as_array().unwrap().iter().find(|lane| lane["group"] == group).cloned().unwrap_or_default()
}

#[tokio::test]
async fn lanes_with_workers_or_tasks_are_listed() {
    let worker = TestWorker::start(&["--slots", "2"]).await;
    let app = TestApp::start(&[&worker]).await;
    let ended = sent(&app, "hello", &json!({}), &json!({})).await;
    app.ended(&ended).await;
    let asleep = sent(&app, "sleep", &json!({ "ms": 60_000 }), &json!({})).await;
    running(&app, &asleep).await;
    sent(&app, "hello", &json!({}), &json!({ "group": "nobody", "contract": 1.5 })).await;
    let counts = |queued, running, completed| json!({ "queued": queued, "delayed": 0, "running": running, "completed": completed, "failed": 0, "cancelled": 0 });
    let expected = json!([
        { "group": "default", "contract": 1, "paused": false, "counts": counts(0, 1, 1), "workers": 1, "freeSlots": 1 },
        { "group": "nobody", "contract": 1.5, "paused": false, "counts": counts(1, 0, 0), "workers": 0, "freeSlots": 0 },
    ]);
    until("the lanes stand so", || async { app.get("/lanes").await.json() == expected }).await;
}

#[tokio::test]
async fn a_paused_lane_runs_nothing_until_it_is_resumed_and_others_go_on() {
    let (worker, other) = (TestWorker::start(&[]).await, TestWorker::start(&["--group", "other"]).await);
    let app = TestApp::start(&[&worker, &other]).await;
    let asleep = sent(&app, "sleep", &json!({ "ms": 300 }), &json!({})).await;
    running(&app, &asleep).await;
    let paused = send(&app, "POST", "/lanes/default/1/pause").await;
    assert_eq!((paused.status, &paused.json()["paused"]), (200, &json!(true)), "{}", paused.text());
    assert_eq!(lane(&app, "default").await["paused"], true);

    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(sent(&app, "hello", &json!({}), &json!({})).await);
    }
    let delayed = sent(&app, "hello", &json!({}), &json!({ "options": { "delayMs": 1 } })).await;
    assert_eq!(app.ended(&asleep).await["state"], "completed", "what ran runs on");
    let elsewhere = sent(&app, "hello", &json!({}), &json!({ "group": "other" })).await;
    assert_eq!(app.ended(&elsewhere).await["state"], "completed");
    until("the delay is over", || async { task(&app, &delayed).await["waiting"]["reason"] == "paused" }).await;
    assert_eq!(worker.started(), 1);

    let resumed = send(&app, "POST", "/lanes/default/1.0/resume").await;
    assert_eq!((resumed.status, &resumed.json()["paused"]), (200, &json!(false)));
    for id in waiting.iter().chain([&delayed]) {
        assert_eq!(app.ended(id).await["state"], "completed");
    }
}

#[tokio::test]
async fn a_lane_can_be_paused_before_its_first_task() {
    let app = TestApp::start_for(&[], &[]).await;
    let path = "/lanes/a%2Fb%20%C3%A4/1.5/";
    let paused = send(&app, "POST", &format!("{path}pause")).await.json();
    assert_eq!((&paused["group"], &paused["contract"]), (&json!("a/b ä"), &json!(1.5)));
    assert_eq!(app.get("/lanes").await.json(), json!([paused]));
    send(&app, "POST", &format!("{path}resume")).await;
    assert_eq!(app.get("/lanes").await.json(), json!([]), "nothing is left of it");
}

#[tokio::test]
async fn a_lane_that_cannot_be_is_refused() {
    let app = TestApp::start_for(&[], &[]).await;
    let long = "g".repeat(257);
    for (path, code) in [
        ("/lanes/g/one/pause".to_owned(), "invalid_contract"),
        ("/lanes/g/NaN/resume".to_owned(), "invalid_contract"),
        (format!("/lanes/{long}/1/pause"), "invalid_group"),
        ("/lanes/%FF/1/pause".to_owned(), "invalid_group"),
    ] {
        assert_eq!(error(&send(&app, "POST", &path).await), refused(400, code), "{path}");
    }
}
