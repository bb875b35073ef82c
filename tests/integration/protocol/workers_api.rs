//! `GET /dashboard/api/workers`.

use serde_json::{Value, json};

use crate::harness::{Recorder, TestApp, TestWorker, until_some};

async fn workers_when(app: &TestApp, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    until_some("the expected workers", || async { Some(app.workers().await).filter(|workers| condition(workers)) })
        .await
}

#[tokio::test]
async fn a_ready_worker_is_shown_with_all_it_says() {
    let args = ["--group", "g", "--contract", "2.5", "--slots", "7", "--tag", "zone=eu", "--tag", "weight=2"];
    let worker = TestWorker::start(&args).await;
    let app = TestApp::start_for(&[&format!("{}/", worker.url)], &[]).await;
    let shown = &workers_when(&app, |workers| workers[0]["system"]["uptime"].is_number()).await[0];
    assert_eq!(shown["url"], worker.url, "without the listed slash");
    assert!(shown["websocketPort"].is_u64());
    assert_eq!((&shown["group"], &shown["contract"], &shown["status"]), (&json!("g"), &json!(2.5), &json!("ready")));
    assert_eq!(shown["slots"], json!({ "used": 0, "available": 7, "limit": 7, "queue": 0 }));
    assert!(shown["system"]["cpuLoad"].is_number() && shown["system"]["usedMemoryPercent"].is_number(), "{shown}");
    assert_eq!(shown["tags"], json!({ "zone": "eu", "weight": 2 }));
    let hello =
        json!({ "name": "hello", "params": { "name": { "type": "string", "required": false, "default": "World" } } });
    assert!(shown["functions"].as_array().unwrap().contains(&hello));
    assert_eq!(shown["services"][0]["state"], "up");
    assert_eq!((&shown["contractValid"], shown.get("contractMismatchReason")), (&json!(true), None));
}

#[tokio::test]
async fn workers_that_take_no_tasks_say_why() {
    let stranger = TestWorker::start(&["--lb-auth-key", "of-another-balancer"]).await;
    let (off, mut dead) = (TestWorker::start(&[]).await, TestWorker::start(&[]).await);
    dead.kill().await;
    off.switch("/off").await;
    let app = TestApp::start_for(&[&stranger.url, &off.url, &dead.url], &[]).await;
    let workers = workers_when(&app, |workers| {
        workers[0]["status"] == "unauthorized"
            && workers[1]["status"] == "maintenance"
            && workers[2]["status"] == "unreachable"
    })
    .await;
    assert_eq!(workers[0]["statusReason"], "the worker refused the balancer's key");
    assert!(workers[0].get("group").is_none() && workers[0].get("contractValid").is_none());
    assert_eq!((&workers[1]["group"], &workers[1]["contractValid"]), (&json!("default"), &json!(true)));
    assert!(workers[2]["statusReason"].is_string() && workers[2].get("slots").is_none());

    off.switch("/on").await;
    workers_when(&app, |workers| workers[1]["status"] == "ready").await;
}

#[tokio::test]
async fn a_worker_whose_contract_differs_is_invalid_and_says_why() {
    let (one, other) = (Recorder::worker(&["f", "g"]).await, Recorder::worker(&["g", "f"]).await);
    let odd = Recorder::worker(&["f", "h"]).await;
    let app = TestApp::start_for(&[&odd.url, &one.url, &other.url], &[]).await;
    let workers = workers_when(&app, |workers| {
        workers.iter().all(|worker| worker["status"] == "ready") && workers[0]["contractValid"] == false
    })
    .await;
    let valid: Vec<&Value> = workers.iter().map(|worker| &worker["contractValid"]).collect();
    assert_eq!(valid, [false, true, true], "the majority decides, order does not matter");
    let reason = workers[0]["contractMismatchReason"].as_str().unwrap();
    assert!(reason.contains("missing g") && reason.contains("extra h"), "{reason}");
    let task = json!({ "group": "default", "contract": 1, "function": "h" });
    assert_eq!(app.submit(&task).await.json()["code"], "unknown_function");
    for _ in 0..5 {
        let task = json!({ "group": "default", "contract": 1, "function": "f" });
        assert_eq!(app.submit(&task).await.status, 200);
    }
    assert!(odd.take().is_empty());
    assert_eq!(one.take().len() + other.take().len(), 5);
}
