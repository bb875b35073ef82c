//! The fields of a task, and what of them a worker gets.

use serde_json::{Value, json};

use super::{HELLO, error, error_of, hello_with, refused, send};
use crate::harness::{LB_KEY, Recorder, TestApp, TestWorker};

/// Each field with a value, and the code of its refusal.
const REFUSED: [(&str, &str); 35] = [
    (r#""contract":"1""#, "invalid_contract"),
    (r#""contract":true"#, "invalid_contract"),
    (r#""contract":[1]"#, "invalid_contract"),
    (r#""contract":null"#, "missing_field"),
    (r#""group":"""#, "missing_field"),
    (r#""group":null"#, "missing_field"),
    (r#""group":7"#, "invalid_group"),
    (r#""function":"""#, "missing_field"),
    (r#""function":{}"#, "invalid_function"),
    (r#""priority":-1"#, "invalid_priority"),
    (r#""priority":2097153"#, "invalid_priority"),
    (r#""priority":1e300"#, "invalid_priority"),
    (r#""priority":1.5"#, "invalid_priority"),
    (r#""priority":"1""#, "invalid_priority"),
    (r#""priority":true"#, "invalid_priority"),
    (r#""mode":"batch""#, "invalid_mode"),
    (r#""mode":"Sync""#, "invalid_mode"),
    (r#""mode":1"#, "invalid_mode"),
    (r#""mode":"webhook""#, "invalid_webhook"),
    (r#""mode":"webhook","webhook":null"#, "invalid_webhook"),
    (r#""mode":"webhook","webhook":"http://h/""#, "invalid_webhook"),
    (r#""mode":"webhook","webhook":{}"#, "invalid_webhook"),
    (r#""mode":"webhook","webhook":{"url":1}"#, "invalid_webhook"),
    (r#""mode":"webhook","webhook":{"url":""}"#, "invalid_webhook"),
    (r#""mode":"webhook","webhook":{"url":"/relative"}"#, "invalid_webhook"),
    (r#""mode":"webhook","webhook":{"url":"ftp://h/"}"#, "invalid_webhook"),
    (r#""mode":"webhook","webhook":{"url":"http://h/","headers":[]}"#, "invalid_webhook"),
    (r#""options":[]"#, "invalid_options"),
    (r#""options":{"attempts":0}"#, "invalid_options"),
    (r#""options":{"attempts":1.5}"#, "invalid_options"),
    (r#""options":{"timeoutMs":"1"}"#, "invalid_options"),
    (r#""options":{"runAt":"soon"}"#, "invalid_options"),
    (r#""options":{"delayMs":1,"runAt":"2030-01-01T00:00:00Z"}"#, "invalid_options"),
    (r#""options":{"tenant":7}"#, "invalid_options"),
    (r#""options":{"retries":3}"#, "invalid_options"),
];

#[tokio::test]
async fn every_bad_field_is_named() {
    let app = TestApp::start(&[]).await;
    for (field, code) in REFUSED {
        // Of repeated fields the last counts.
        let answer = send(app.task_text(hello_with(field))).await;
        assert_eq!(error(&answer), refused(400, code), "{field}");
        assert!(answer.header("x-task-id").is_none(), "no task has come of {field}");
    }
    for field in ["group", "function", "contract"] {
        let mut body: Value = serde_json::from_str(HELLO).unwrap();
        body.as_object_mut().unwrap().remove(field);
        let answer = app.submit(&body).await;
        assert_eq!(error(&answer), refused(400, "missing_field"), "{field}");
        assert_eq!(answer.json()["error"], "Missing group, function, or contract");
    }
    let answer = send(app.task_text(hello_with(r#""mode":"webhook","webhook":{"url":"nowhere"}"#))).await;
    assert_eq!(answer.json()["error"], "Missing or invalid webhook.url for mode webhook");
}

#[tokio::test]
async fn every_good_field_is_taken() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    for field in [
        r#""contract":1.0"#,
        r#""contract":1e0"#,
        r#""priority":null"#,
        r#""priority":0"#,
        r#""priority":1"#,
        r#""priority":2.0"#,
        r#""priority":2097152"#,
        r#""mode":null,"mode":"sync""#,
        r#""webhook":{"url":"ignored unless mode is webhook"}"#,
        r#""input":{}"#,
        r#""options":null"#,
        r#""options":{"attempts":1,"timeoutMs":60000,"delayMs":1,"key":"k","tenant":null}"#,
        r#""anything":{"else":[1,2,3]}"#,
    ] {
        let answer = send(app.task_text(hello_with(field))).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, r#"{"success":true,"result":{"message":"Hello World!"}}"#),
            "{field}"
        );
    }
    let priorities: Vec<Value> = worker
        .ledger()
        .iter()
        .filter(|event| event["event"] == "start")
        .map(|event| event["priority"].clone())
        .collect();
    let (none, first, second, last) = (Value::Null, json!(1), json!(2), json!(2_097_152));
    assert_eq!(priorities[2..7], [none.clone(), none, first, second, last], "those of the third to seventh task");
}

#[tokio::test]
async fn large_integers_come_back_byte_for_byte() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let input =
        "{ \"n\": 12345678901234567890,\"f\":1.00000000000000000001e+5,\n\t\"\\u0061\":\"\\/\" , \"a\":1,\"a\":2 }";
    let body = format!(r#"{{"group":"default","contract":1,"function":"echo","input":{input}}}"#);
    let answer = send(app.task_text(body.clone())).await;
    assert_eq!(answer.text(), format!(r#"{{"success":true,"result":{input}}}"#));
    let queued = send(app.task_text(body.replace("\"contract\"", "\"mode\":\"async\",\"contract\""))).await;
    app.ended(&queued.task_id()).await;
    let shown = app.get(&format!("/tasks/{}", queued.task_id())).await;
    assert!(shown.text().contains(input), "{}", shown.text());
}

#[tokio::test]
async fn the_worker_gets_the_clients_bytes_and_both_keys() {
    let worker = Recorder::worker(&["f"]).await;
    let app = TestApp::start_for(&[&worker.url], &[]).await;
    app.ready(1).await;
    let head = r#"{ "group":"default","contract":1.0, "function":"f","#;
    for (sent, received) in [
        (r#" "priority": 5, "x":[1, 2]}"#, r#" "priority": 5, "x":[1, 2]}"#),
        (r#""options":{"key":"k"}, "_taskId":"mine"}"#, r#""options":{"key":"k"}, "_taskId":"mine"}"#),
        (r#""priority":null, "x":1}"#, r#" "x":1}"#),
        (r#""x":1 , "priority":0 }"#, r#""x":1  }"#),
        (r#""mode": "async","x":"async"}"#, r#""mode": "sync","x":"async"}"#),
    ] {
        let request = app.request("POST", "/task").header("content-type", "application/json; charset=utf-8");
        let answer = send(request.header("x-wr-auth", "bearer k").body(format!("{head}{sent}"))).await;
        assert!(answer.status < 300, "{answer:?}");
        let task = worker.first().await;
        assert_eq!(task.text(), format!("{head}{received}"));
        assert_eq!((task.header("authorization"), task.header("x-lb-auth")), ("k", LB_KEY));
        assert_eq!(
            (task.header("content-type"), task.header("x-task-id")),
            ("application/json", answer.task_id().as_str())
        );
        app.ended(&answer.task_id()).await;
        assert_eq!(worker.take().len(), 1);
    }
}

#[tokio::test]
async fn names_are_at_most_256_bytes_long() {
    let app = TestApp::start_for(&[], &[("NO_WORKER_TIMEOUT", "1")]).await;
    for (length, expected) in [(256, refused(503, "no_worker")), (257, refused(400, "invalid_group"))] {
        let field = format!(r#""group":"{}""#, "g".repeat(length));
        assert_eq!(error_of(app.task_text(hello_with(&field))).await, expected);
    }
}
