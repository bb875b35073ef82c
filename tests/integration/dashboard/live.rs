//! The live stream, without a browser.

use serde_json::{Value, json};

use crate::harness::{Events, LB_KEY, TestApp, TestWorker, until};

const LIVE: &str = "/dashboard/api/live?of=overview,workers,logs";

#[tokio::test]
async fn a_stream_begins_with_how_things_stand_and_goes_on_with_what_changes() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut events = Events::open(&app, LIVE).await;
    let (name, overview) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &overview["workers"]), ("overview", &json!({ "ready": 1 })));
    let (name, workers) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &workers["full"]), ("workers", &json!(true)));
    let row = &workers["rows"][0];
    assert_eq!((&row["url"], &row["status"]), (&json!(worker.url), &json!("ready")));
    assert!(workers["offers"][row["offer"].as_str().unwrap()].as_array().unwrap().len() > 1);
    assert_eq!(events.next().await.unwrap().0, "logs");

    assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
    let completed = |overview: &Value| overview["lanes"][0]["completed"] == 1;
    loop {
        let (name, data) = events.next().await.unwrap();
        if name == "overview" && completed(&data) {
            break;
        }
    }
}

#[tokio::test]
async fn samples_are_kept_while_nobody_looks() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
    let history = async || app.get("/dashboard/api/history?range=5m").await.json();
    until("a sample with the task", || async {
        let history = history().await;
        let at = |name: &str| history["columns"].as_array().unwrap().iter().position(|column| column == name).unwrap();
        let (completed, p95) = (at("completed"), at("p95"));
        let samples = history["samples"].as_array().unwrap();
        samples.iter().any(|sample| sample[completed].as_f64() > Some(0.0) && sample[p95].is_number())
    })
    .await;
    assert_eq!(app.get("/dashboard/api/history?range=2d").await.status, 400);
}

#[tokio::test]
async fn a_stream_ends_when_the_balancer_drains() {
    let mut app = TestApp::start_for(&[], &[]).await;
    let mut events = Events::open(&app, LIVE).await;
    events.next().await.unwrap();
    app.terminate();
    events.all().await;
    assert!(app.exited().await.success());
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let app = TestApp::start_for(&[], &[]).await;
    let session = super::session::Session::begin(&app, LB_KEY).await;
    let mut stream = session.request(reqwest::Method::GET, LIVE).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let out = session.request(reqwest::Method::POST, "/dashboard/logout").body(format!("csrf={}", session.csrf));
    assert_eq!(out.send().await.unwrap().status().as_u16(), 303);
    let ended = async { while stream.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(30), ended).await.expect("it ends");
}
