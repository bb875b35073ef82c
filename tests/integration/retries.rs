//! What is tried again, how often, and what is not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Say, StubWorker, TestApp, TestWorker, WORKER_KEY, with};

fn outcomes(task: &Value) -> Vec<(&str, u64)> {
    let attempts = task["attempts"].as_array().unwrap().iter();
    attempts.map(|run| (run["outcome"].as_str().unwrap(), run["status"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn a_failing_function_is_run_again_and_every_attempt_is_shown() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let answer = app.submit(&TestApp::call("fail", &json!({ "times": 2 }))).await;
    assert_eq!((answer.status, &answer.json()["result"]["calls"]), (200, &json!(3)));
    let task = app.shown(&answer.task_id()).await;
    assert_eq!(outcomes(&task), [("failed", 500), ("failed", 500), ("completed", 200)]);
    let attempts = task["attempts"].as_array().unwrap();
    for (attempt, n) in attempts.iter().zip(1..) {
        assert_eq!((&attempt["n"], &attempt["worker"]), (&json!(n), &json!(worker.url)));
        assert!(attempt["startedAt"].is_string() && attempt["endedAt"].is_string());
    }
}

#[tokio::test]
async fn the_workers_own_500_is_the_answer_when_the_attempts_are_used_up() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_ATTEMPTS", "2")]).await;
    let answer = app.submit(&TestApp::call("fail", &json!({ "message": "out of paint" }))).await;
    assert_eq!((answer.status, answer.json()), (500, json!({ "success": false, "error": "out of paint" })));
    let task = app.shown(&answer.task_id()).await;
    assert_eq!(outcomes(&task), [("failed", 500); 2]);
    assert_eq!(
        [&task["state"], &task["code"], &task["error"]],
        [&json!("failed"), &json!("worker_failed"), &json!("out of paint")]
    );
    assert_eq!(worker.started(), 2);
}

#[tokio::test]
async fn one_attempt_means_one_run() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let fail = with(TestApp::call("fail", &json!({})), json!({ "options": { "attempts": 1 } }));
    assert_eq!(app.submit(&fail).await.status, 500);
    assert_eq!(worker.started(), 1);
}

#[tokio::test]
async fn a_worker_that_names_a_time_is_left_alone_until_then() {
    for status in [429, 503] {
        let worker = TestWorker::start(&[]).await;
        let app = TestApp::start_with(&[&worker], &[("TASK_BACKOFF", "0")]).await;
        let input = json!({ "times": 1, "status": status, "retryAfter": 1 });
        let answer = app.submit(&TestApp::call("fail", &input)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let pause = worker.time_of("start", 1) - worker.time_of("end", 0);
        assert!((990..10_000).contains(&pause), "{pause} ms");
    }
}

#[tokio::test]
async fn a_named_time_is_honoured_no_longer_than_the_longest_backoff() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_BACKOFF_MAX", "100")]).await;
    let input = json!({ "times": 1, "status": 503, "retryAfter": 3600 });
    assert_eq!(app.submit(&TestApp::call("fail", &input)).await.status, 200);
}

#[tokio::test]
async fn a_4xx_goes_to_the_client_and_is_not_retried() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let answer = app.submit(&TestApp::call("fail", &json!({ "status": 418, "message": "short and stout" }))).await;
    assert_eq!((answer.status, answer.json()), (418, json!({ "error": "short and stout" })));
    let task = app.shown(&answer.task_id()).await;
    assert_eq!((&task["code"], outcomes(&task)), (&json!("rejected_by_worker"), vec![("failed", 418)]));

    let wrong_key = app.request("POST", "/task").header("x-wr-auth", "no such key");
    let answer = wrong_key.json(&TestApp::call("hello", &json!({}))).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.text().await.unwrap(), r#"{"error":"Unauthorized"}"#);
    assert_eq!(worker.started(), 1);
}

#[tokio::test]
async fn a_worker_in_maintenance_hands_its_task_on_at_once() {
    let refusal = Say::Json(503, json!({ "error": "Worker is in maintenance mode" }));
    let heavy = json!({ "tags": { "weight": 1000 } });
    let refusing = StubWorker::start_on("0", 10, &[refusal], heavy.clone()).await;
    let success = Say::Json(200, json!({ "success": true }));
    let worker = StubWorker::start_on("0", 1, &[success], json!({})).await;
    let env = [("TASK_BACKOFF", "600000"), ("TASK_BACKOFF_MAX", "600000")];
    let app = TestApp::start_for(&[&refusing.url, &worker.url], &env).await;
    app.ready(2).await;
    let began = Instant::now();
    let answer = app.submit(&TestApp::call("hello", &json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!((refusing.requests(), worker.requests()), (1, 1));
    assert_eq!(outcomes(&app.shown(&answer.task_id()).await), [("failed", 503), ("completed", 200)]);
}

#[tokio::test]
async fn a_webhook_that_takes_no_result_does_not_run_the_function_again() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    // Port 9 is the discard service, which nobody runs.
    let body = json!({ "mode": "webhook", "webhook": { "url": "http://127.0.0.1:9/" } });
    let request = app.request("POST", "/task").header("x-wr-auth", WORKER_KEY);
    let answer = request.json(&with(TestApp::call("hello", &json!({})), body)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let task = app.ended(answer.headers()["x-task-id"].to_str().unwrap()).await;
    assert_eq!((&task["state"], &task["code"]), (&json!("failed"), &json!("webhook_failed")));
    assert!(task["error"].as_str().unwrap().starts_with("Failed to send webhook"));
    assert_eq!((outcomes(&task), worker.started()), (vec![("failed", 500)], 1));
}
