//! `GET /health` and `GET /logs`.

use jiff::Timestamp;
use serde_json::json;

use super::send;
use crate::harness::app::client;
use crate::harness::{LB_KEY, Recorder, TestApp, TestWorker, until};

#[tokio::test]
async fn health_says_more_to_who_has_the_key() {
    let (worker, odd) = (TestWorker::start(&["--tag", "zone=eu"]).await, Recorder::worker(&["other"]).await);
    let app = TestApp::start_for(&[&worker.url, &odd.url], &[]).await;
    app.ready(2).await;
    let health = || client().get(format!("{}/health", app.url));
    let told = || async { send(health().header("authorization", LB_KEY)).await.json() };
    until("the odd one is found out", || async {
        told().await["invalidWorkers"].as_array().is_some_and(|odd| odd.len() == 1)
    })
    .await;
    for request in [health(), health().header("authorization", "wrong"), health().header("x-lb-auth", "wrong")] {
        let answer = send(request).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "status": "ready" })));
    }
    for request in [health().header("authorization", LB_KEY), health().header("x-lb-auth", format!("Bearer {LB_KEY}"))]
    {
        let answer = send(request).await.json();
        assert_eq!(answer["status"], "ready");
        assert_eq!(answer["services"], json!({ "redis": "ready", "bullmq": "ready" }));
        let (workers, invalid) = (answer["workers"].as_array().unwrap(), answer["invalidWorkers"].as_array().unwrap());
        assert_eq!((workers.len(), invalid.len()), (1, 1), "workers leaves out the invalid ones");
        assert_eq!((&workers[0]["url"], &invalid[0]["url"]), (&json!(worker.url), &json!(odd.url)));
        assert_eq!(workers[0]["tags"], json!({ "zone": "eu" }));
    }
}

#[tokio::test]
async fn logs_are_the_last_lines_oldest_first() {
    let app = TestApp::start_for(&["http://127.0.0.1:9"], &[]).await;
    let lines =
        || async { serde_json::from_value::<Vec<String>>(app.get("/logs").await.json()["logs"].clone()).unwrap() };
    until("what is printed is what is kept", || async { app.lines().len() >= 3 && lines().await == app.lines() }).await;
    let lines = lines().await;
    let mut times = Vec::new();
    for line in &lines {
        // [ISO time] [LEVEL] [TAG] text
        let (time, rest) = line.strip_prefix('[').unwrap().split_once("] [").unwrap();
        let (level, rest) = rest.split_once("] [").unwrap();
        let (tag, text) = rest.split_once("] ").unwrap();
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{line}");
        assert!(!tag.is_empty() && tag.chars().all(|c| c.is_ascii_uppercase()) && !text.is_empty(), "{line}");
        times.push(time.parse::<Timestamp>().unwrap());
    }
    assert!(times.is_sorted(), "{lines:?}");
    assert!(!lines.concat().contains(LB_KEY));
}

#[tokio::test]
async fn logs_are_no_more_than_max_logs() {
    let app = TestApp::start_for(&["http://127.0.0.1:9"], &[("MAX_LOGS", "1")]).await;
    until("the last line alone", || async {
        let logs = app.get("/logs").await.json()["logs"].clone();
        app.lines().len() >= 3 && logs == json!(app.lines()[app.lines().len() - 1..])
    })
    .await;
}
