//! The endpoints besides `POST /task`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{BALANCER_KEY, DEADLINE, call, options, start, start_with, status_and_body};
use andera_lb::sample_worker::{SampleWorker, WorkerOptions};

#[tokio::test]
async fn health_shows_everything_to_the_balancer() {
    let mut tags = serde_json::Map::new();
    tags.insert("zone".to_owned(), json!("eu-1"));
    let worker = start_with(WorkerOptions { group: "g".into(), contract: 2.0, slots: 3, tags, ..options() }).await;
    let health = worker.health().await;
    assert_eq!(health["status"], "ready");
    assert_eq!(health["group"], "g");
    assert_eq!(health["contract"].to_string(), "2");
    assert_eq!(health["websocketPort"], worker.ws_port);
    assert_eq!(health["functions"][0]["params"]["name"]["default"], "World");
    assert_eq!(health["services"][0]["state"], "up");
    assert_eq!(health["tags"], json!({"zone": "eu-1"}));
    assert_eq!(health["slots"], json!({"used": 0, "available": 3, "limit": 3, "queue": 0}));
    let memory = health["system"]["usedMemoryPercent"].as_f64().unwrap();
    assert!(memory > 0.0 && memory < 100.0, "{memory}");
    assert!(health["system"]["uptime"].as_f64().unwrap() >= 0.0);
    assert!(health["system"]["cpuLoad"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn health_shows_only_the_status_to_everybody_else() {
    let worker = start().await;
    for key in [None, Some("wrong"), Some("Bearer wrong")] {
        let mut request = worker.client.get(format!("{}/health", worker.url));
        if let Some(key) = key {
            request = request.header("x-lb-auth", key);
        }
        let answer = status_and_body(request.send().await.unwrap()).await;
        assert_eq!(answer, (200, json!({"status": "ready"})), "{key:?}");
    }
}

#[tokio::test]
async fn logs_are_for_the_balancer() {
    let worker = start().await;
    assert_eq!(worker.run(call("fail", json!({"message": "no luck"}))).await.status(), 500);
    let url = format!("{}/logs", worker.url);
    let refused = worker.client.get(&url).header("x-lb-auth", "wrong").send().await.unwrap();
    assert_eq!(status_and_body(refused).await, (401, json!({"error": "Unauthorized"})));

    let bearer = format!("Bearer {BALANCER_KEY}");
    let body: Value = worker.client.get(&url).header("x-lb-auth", bearer).send().await.unwrap().json().await.unwrap();
    let lines: Vec<&str> = body["logs"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(lines[0].contains("Z] [INFO] [WORKER] Listening on "), "{lines:?}");
    assert!(lines[1].ends_with("] [WARN] [TASK] Failed: no luck"), "{lines:?}");
}

#[tokio::test]
async fn maintenance_is_switched_with_the_workers_own_key() {
    let worker = start().await;
    for path in ["/on", "/off"] {
        for key in ["wrong", BALANCER_KEY] {
            let request = worker.client.post(format!("{}{path}", worker.url)).header("authorization", key);
            assert_eq!(request.send().await.unwrap().status(), 401);
        }
    }
    assert_eq!(worker.health().await["status"], "ready");
    assert_eq!(worker.post("/off").send().await.unwrap().status(), 200);
    assert_eq!(worker.health().await["status"], "maintenance");
    assert_eq!(worker.run(call("hello", json!({}))).await.status(), 503);
    assert_eq!(worker.post("/on").send().await.unwrap().status(), 200);
    assert_eq!(worker.run(call("hello", json!({}))).await.status(), 200);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let worker = start().await;
    assert_eq!(worker.post("/nothing").send().await.unwrap().status(), 404);
    assert_eq!(worker.post("/health").send().await.unwrap().status(), 404);
    assert_eq!(worker.post("/off/").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_taken_port_and_a_contract_that_is_no_number_are_errors() {
    let worker = start().await;
    let port = worker.url.rsplit(':').next().unwrap().parse().unwrap();
    let taken = SampleWorker::bind(WorkerOptions { port, ..options() }).await.unwrap_err();
    assert_eq!(taken.to_string(), format!("Cannot listen on 127.0.0.1:{port}"));
    assert!(SampleWorker::bind(WorkerOptions { contract: f64::NAN, ..options() }).await.is_err());
}

#[tokio::test]
async fn a_stopping_worker_ends_what_it_runs_and_takes_nothing_new() {
    let mut worker = start().await;
    let running = worker.spawn("t", call("sleep", json!({"ms": 300})));
    worker.wait_for(1, 0).await;
    worker.shutdown.cancel();
    assert_eq!(running.await.unwrap().status(), 200);
    tokio::time::timeout(DEADLINE, &mut worker.running).await.unwrap().unwrap();
    assert!(worker.post("/on").send().await.is_err());
}

#[tokio::test]
async fn a_stopping_worker_drops_what_does_not_end() {
    let mut worker = start().await;
    let running = worker.spawn("t", call("sleep", json!({"ms": 3_600_000})));
    worker.wait_for(1, 0).await;
    worker.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(15), &mut worker.running).await.unwrap().unwrap();
    drop(running);
}
