//! What the worker refuses, and in which order it looks.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::{BALANCER_KEY, WORKER_KEY, Worker, call, start, status_and_body, with};

async fn with_keys(worker: &Worker, worker_key: Option<&str>, balancer_key: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = worker.client.post(format!("{}/task", worker.url)).header(CONTENT_TYPE, "application/json");
    if let Some(key) = worker_key {
        request = request.header("authorization", key);
    }
    if let Some(key) = balancer_key {
        request = request.header("x-lb-auth", key);
    }
    status_and_body(request.body(body.to_owned()).send().await.unwrap()).await
}

#[tokio::test]
async fn a_wrong_or_missing_key_is_unauthorized() {
    let worker = start().await;
    let body = call("hello", json!({})).to_string();
    for (worker_key, balancer_key) in [
        (Some("wrong"), Some(BALANCER_KEY)),
        (None, Some(BALANCER_KEY)),
        (Some(WORKER_KEY), Some("wrong")),
        (Some(WORKER_KEY), None),
        (Some(BALANCER_KEY), Some(WORKER_KEY)),
        (None, None),
    ] {
        let answer = with_keys(&worker, worker_key, balancer_key, &body).await;
        assert_eq!(answer, (401, json!({"error": "Unauthorized"})), "{worker_key:?} {balancer_key:?}");
    }
    let bearer = with_keys(&worker, Some("Bearer worker-key"), Some("Bearer balancer-key"), &body).await;
    assert_eq!(bearer.0, 200);
}

#[tokio::test]
async fn each_check_comes_before_the_next() {
    let worker = start().await;
    let nothing_right = json!({"contract": 2, "function": "nope", "priority": 0, "mode": "async", "input": 1});
    let fixes = [
        ("contract", json!(1), 400, "Contract mismatch: this worker has contract 1"),
        ("function", json!("hello"), 404, "Unknown function: nope"),
        ("priority", json!(1), 400, "priority must be an integer from 1 to 2097152"),
        ("mode", json!("stream"), 400, "mode must be one of sync, stream, webhook"),
        ("input", json!({}), 400, "input must be an object"),
        ("mode", json!("sync"), 400, "Function hello does not support streaming"),
    ];

    assert!(worker.post("/off").send().await.unwrap().status().is_success());
    assert_eq!(with_keys(&worker, Some("wrong"), Some(BALANCER_KEY), "{").await.0, 401);
    let maintenance = (503, json!({"error": "Worker is in maintenance mode"}));
    assert_eq!(with_keys(&worker, Some(WORKER_KEY), Some(BALANCER_KEY), "{").await, maintenance);
    assert!(worker.post("/on").send().await.unwrap().status().is_success());
    assert_eq!(with_keys(&worker, Some(WORKER_KEY), Some(BALANCER_KEY), "{").await.0, 400);

    let mut body = nothing_right;
    for (field, fixed, status, error) in fixes {
        let answer = status_and_body(worker.run(body.clone()).await).await;
        assert_eq!(answer, (status, json!({"success": false, "error": error})));
        body = with(body, field, fixed);
    }
    assert_eq!(worker.run(body).await.status(), 200);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let worker = start().await;
    for body in ["", "{", "[]", "1", "null", "{}}", r#"{"a":}"#] {
        let (status, answer) = with_keys(&worker, Some(WORKER_KEY), Some(BALANCER_KEY), body).await;
        assert_eq!((status, &answer["success"]), (400, &json!(false)), "{body}");
    }
    let plain = worker.task().header(CONTENT_TYPE, "text/plain").body(call("hello", json!({})).to_string());
    assert_eq!(plain.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_body_over_ten_megabytes_is_refused_and_one_of_ten_is_not() {
    let worker = start().await;
    let frame = call("echo", json!({"text": ""})).to_string().len();
    let of_size = |size: usize| call("echo", json!({"text": "x".repeat(size - frame)})).to_string();
    let send = async |size: usize| {
        let request = worker.task().header(CONTENT_TYPE, "application/json");
        request.body(of_size(size)).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(10 * 1024 * 1024).await, 200);
    assert_eq!(send(10 * 1024 * 1024 + 1).await, 413);
}

#[tokio::test]
async fn contracts_are_compared_as_numbers() {
    let worker = start().await;
    for (contract, status) in [("1", 200), ("1.0", 200), ("2", 400), ("\"1\"", 400), ("true", 400), ("null", 400)] {
        let body = format!(r#"{{"function":"hello","contract":{contract}}}"#);
        let answer = with_keys(&worker, Some(WORKER_KEY), Some(BALANCER_KEY), &body).await;
        assert_eq!(answer.0, status, "{contract}");
    }
    assert_eq!(worker.run(json!({"function": "hello"})).await.status(), 400);
}

#[tokio::test]
async fn an_unknown_function_is_not_found() {
    let worker = start().await;
    for function in [json!("nope"), json!("Hello"), json!(1), json!(null)] {
        let body = with(call("hello", json!({})), "function", function.clone());
        assert_eq!(worker.run(body).await.status(), 404, "{function}");
    }
    assert_eq!(worker.run(json!({"contract": 1})).await.status(), 404);
}

#[tokio::test]
async fn a_priority_or_mode_that_is_there_must_be_right() {
    let worker = start().await;
    for (field, value, status) in [
        ("priority", json!(1), 200),
        ("priority", json!(2_097_152), 200),
        ("priority", json!(2_097_153), 400),
        ("priority", json!(0), 400),
        ("priority", json!(null), 400),
        ("priority", json!(-1), 400),
        ("priority", json!(1.5), 400),
        ("priority", json!("1"), 400),
        ("mode", json!("sync"), 200),
        ("mode", json!("async"), 400),
        ("mode", json!("other"), 400),
        ("mode", json!(null), 400),
        ("mode", json!("stream"), 400),
        ("mode", json!("webhook"), 400),
    ] {
        let body = with(call("hello", json!({})), field, value.clone());
        assert_eq!(worker.run(body).await.status(), status, "{field} {value}");
    }
}

#[tokio::test]
async fn arguments_must_have_their_declared_types() {
    let worker = start().await;
    for (function, input, error) in [
        ("hello", json!({"name": 1}), "Invalid type of input.name: expected string"),
        ("hello", json!({"name": null}), "Invalid type of input.name: expected string"),
        ("sleep", json!({"ms": "1"}), "Invalid type of input.ms: expected number"),
        ("countdown", json!({"from": 1, "ms": true}), "Invalid type of input.ms: expected number"),
        ("echo", json!([1]), "input must be an object"),
        ("echo", json!(null), "input must be an object"),
    ] {
        let answer = status_and_body(worker.run(call(function, input)).await).await;
        assert_eq!(answer, (400, json!({"success": false, "error": error})));
    }
    assert_eq!(worker.run(call("hello", json!({"other": 1}))).await.status(), 200);
}

#[tokio::test]
async fn a_webhook_without_an_http_address_is_refused() {
    let worker = start().await;
    for webhook in [json!(null), json!({}), json!({"url": 1}), json!({"url": "x"}), json!({"url": "ftp://host/"})] {
        let body = with(with(call("hello", json!({})), "mode", json!("webhook")), "webhook", webhook.clone());
        assert_eq!(worker.run(body).await.status(), 400, "{webhook}");
    }
}

#[tokio::test]
async fn a_refusal_takes_no_slot() {
    let worker = start().await;
    assert_eq!(worker.run(call("nope", json!({}))).await.status(), 404);
    assert_eq!(worker.health().await["slots"], json!({"used": 0, "available": 10, "limit": 10, "queue": 0}));
}
