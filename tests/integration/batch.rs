//! `POST /tasks`: many tasks in one request.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::{Answer, LB_KEY, Recorder, TestApp, TestWorker, WORKER_KEY, app::client, until};

fn batch(app: &TestApp, kind: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    app.request("POST", "/tasks").header("x-wr-auth", WORKER_KEY).header("content-type", kind).body(body)
}

async fn array(app: &TestApp, items: &Value) -> Vec<Value> {
    let answer = Answer::of(batch(app, "application/json", items.to_string()).send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().unwrap().clone()
}

async fn error(request: RequestBuilder) -> (u16, String) {
    let answer = Answer::of(request.send().await.unwrap()).await;
    (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn id(item: &Value) -> &str {
    assert_eq!(item["status"], "queued", "{item}");
    item["taskId"].as_str().unwrap()
}

#[tokio::test]
async fn each_item_is_answered_in_its_place_and_runs_by_itself() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    let app = TestApp::start(&[&worker]).await;
    let with = |field: &str, value: Value| {
        let mut task = TestApp::call("hello", &json!({ "name": field }));
        task[field] = value;
        task
    };
    let mut hook = with("mode", json!("webhook"));
    hook["webhook"] = json!({ "url": receiver.url });
    let items = json!([
        TestApp::call("hello", &json!({})),
        7,
        with("mode", json!("sync")),
        with("mode", json!("stream")),
        with("mode", json!("async")),
        with("priority", json!(-1)),
        hook,
        with("function", json!("nothing")),
        { "group": "default" },
        with("group", json!("nobody")),
    ]);
    let answers = array(&app, &items).await;
    let codes: Vec<&str> = answers.iter().map(|item| item["code"].as_str().unwrap_or("-")).collect();
    let expected = [
        "-",
        "invalid_json",
        "-",
        "invalid_mode",
        "-",
        "invalid_priority",
        "-",
        "unknown_function",
        "missing_field",
        "-",
    ];
    assert_eq!(codes, expected);
    assert!(answers.iter().all(|item| item["code"].is_null() || item["error"].is_string()));
    for (at, mode) in [(0, "async"), (2, "async"), (4, "async"), (6, "webhook")] {
        let shown = app.ended(id(&answers[at])).await;
        assert_eq!((&shown["state"], &shown["mode"]), (&json!("completed"), &json!(mode)), "{at}");
    }
    assert_eq!(receiver.first().await.json()["success"], true);
    assert_eq!(app.get(&format!("/tasks/{}", id(&answers[9]))).await.json()["state"], "queued");
    assert_eq!(worker.started(), 4);
}

#[tokio::test]
async fn lines_are_items_and_a_broken_one_breaks_no_other() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let hello = r#"{"group":"default","contract":1,"function":"hello"}"#;
    let mut body = format!("{hello}\r\n\n{{\"group\":\n[{hello}]\n").into_bytes();
    body.extend_from_slice(b"\xff\n");
    body.extend_from_slice(hello.as_bytes());
    let answer = batch(&app, "application/x-ndjson; charset=utf-8", body).send().await.unwrap();
    let answers = Answer::of(answer).await.json();
    let codes: Vec<&str> = answers.as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap_or("-")).collect();
    assert_eq!(codes, ["-", "invalid_json", "invalid_json", "invalid_json", "-"]);
    for at in [0, 4] {
        assert_eq!(app.ended(id(&answers[at])).await["state"], "completed");
    }
}

#[tokio::test]
async fn a_worker_gets_the_bytes_of_its_item() {
    let worker = Recorder::worker(&["f"]).await;
    let app = TestApp::start_for(&[&worker.url], &[]).await;
    app.ready(1).await;
    let item = r#"{ "group":"default","contract":1.0, "function":"f","input":{"n":12345678901234567890} }"#;
    let edited = r#"{"group":"default","contract":1,"function":"f","mode":"async","priority":0}"#;
    for (kind, body) in [
        ("application/json", format!("[\n  {item} ,{edited}]")),
        ("application/x-ndjson", format!("  {item}\r\n{edited}\n")),
    ] {
        let answers = Answer::of(batch(&app, kind, body).send().await.unwrap()).await.json();
        let mut got = Vec::new();
        for answer in answers.as_array().unwrap() {
            assert_eq!(app.ended(id(answer)).await["state"], "completed");
        }
        for request in worker.take() {
            assert_eq!(request.header("authorization"), WORKER_KEY);
            got.push(request.text().to_owned());
        }
        got.sort();
        assert_eq!(got, [item, r#"{"group":"default","contract":1,"function":"f","mode":"sync"}"#], "{kind}");
    }
}

#[tokio::test]
async fn a_key_holds_within_a_batch_across_batches_and_for_single_tasks() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let keyed = |name: &str| {
        let mut task = TestApp::call("hello", &json!({ "name": name }));
        task["options"] = json!({ "idempotencyKey": "k" });
        task
    };
    let answers = array(&app, &json!([keyed("a"), keyed("a"), keyed("b"), TestApp::call("hello", &json!({}))])).await;
    let first = id(&answers[0]);
    assert_eq!(id(&answers[1]), first);
    assert_eq!((&answers[2]["code"], &answers[2]["taskId"]), (&json!("idempotency_mismatch"), &json!(first)));
    assert_ne!(id(&answers[3]), first);
    assert_eq!(id(&array(&app, &json!([keyed("a")])).await[0]), first);
    let joined = app.submit(&keyed("a")).await;
    assert_eq!((joined.status, joined.task_id().as_str()), (200, first), "a sync client joins it");
    assert_eq!(joined.json()["result"]["message"], "Hello a!");
    app.ended(id(&answers[3])).await;
    assert_eq!(worker.started(), 2);
}

#[tokio::test]
async fn ten_thousand_tasks_are_taken_and_one_more_is_too_many() {
    let app = TestApp::start(&[]).await;
    let lines = |count: usize| r#"{"group":"many","contract":1,"function":"f"}"#.to_owned() + &"\n{}".repeat(count - 1);
    let answer = batch(&app, "application/x-ndjson", lines(10_001));
    assert_eq!(error(answer).await, refused(413, "batch_too_large"));
    let task = TestApp::call("f", &json!({}));
    let answers = array(&app, &Value::Array(vec![task; 10_000])).await;
    assert_eq!((answers.len(), answers.iter().filter(|item| item["status"] == "queued").count()), (10_000, 10_000));
    let mut ids: Vec<&str> = answers.iter().map(id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 10_000);
    let line = r#"andera_lb_lane_queued{group="default",contract="1"} 10000"#;
    until("they wait", || async { app.get("/metrics").await.text().contains(line) }).await;
    assert!(!app.get("/metrics").await.text().contains(r#"group="many""#), "nothing of the batch that was refused");
}

#[tokio::test]
async fn a_batch_larger_than_the_slots_runs_to_its_end() {
    let worker = TestWorker::start(&["--slots", "3"]).await;
    let app = TestApp::start(&[&worker]).await;
    let answers = array(&app, &Value::Array(vec![TestApp::call("sleep", &json!({ "ms": 5 })); 60])).await;
    for answer in &answers {
        assert_eq!(app.ended(id(answer)).await["state"], "completed");
    }
    assert_eq!(worker.started(), 60);
}

#[tokio::test]
async fn a_queue_without_room_refuses_the_items_beyond() {
    let app = TestApp::start_for(&[], &[("MAX_QUEUED_TASKS", "2")]).await;
    let answers = array(&app, &Value::Array(vec![TestApp::call("f", &json!({})); 3])).await;
    assert_eq!((id(&answers[0]) == id(&answers[1]), &answers[2]["code"]), (false, &json!("queue_full")));
}

#[tokio::test]
async fn what_is_no_batch_is_refused_as_a_whole() {
    let app = TestApp::start_for(&[], &[("REQUEST_BODY_LIMIT", "1kb")]).await;
    let json = "application/json";
    let keyless = client().post(format!("{}/tasks", app.url)).body("[");
    assert_eq!(error(keyless).await, refused(401, "unauthorized"));
    let without_worker_key = app.request("POST", "/tasks").header("authorization", LB_KEY).body("[");
    assert_eq!(error(without_worker_key).await, refused(400, "missing_worker_key"));
    for body in ["", "{}", "[{}", "[] []", "\"[]\""] {
        assert_eq!(error(batch(&app, json, body)).await, refused(400, "invalid_json"), "{body}");
    }
    assert_eq!(error(batch(&app, "text/plain", "[]")).await, refused(415, "unsupported_media_type"));
    assert_eq!(error(batch(&app, json, " ".repeat(1025))).await, refused(413, "body_too_large"));
    let keyed = batch(&app, json, "[]").header("idempotency-key", "k");
    assert_eq!(error(keyed).await, refused(400, "invalid_idempotency_key"));
    assert!(array(&app, &json!([])).await.is_empty());
}
