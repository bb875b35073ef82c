//! Policies changed over HTTP.

use serde_json::{Value, json};

use super::bench::{LAST, LOWEST, app_with};
use crate::guest::{FIRST, Guest};
use crate::harness::{TestWorker, until};

#[tokio::test]
async fn an_uploaded_policy_is_activated_replaced_rolled_back_and_survives_a_restart() {
    let worker = TestWorker::start(&[]).await;
    let mut app = app_with(&[], &[&worker], &[]).await;
    let one = app.upload("mine", Guest::ranker(LOWEST).module()).await;
    assert_eq!((one.status, &one.json()["exports"]), (200, &json!(["ranking"])), "{}", one.text());
    assert_eq!(app.why("default").await["policy"], "native:least-loaded", "it is not asked for yet");

    let answer = app.call("POST", "/policies/mine/activate").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "default": "wasm:mine" })), "{}", answer.text());
    assert_eq!(app.default().await["sha256"], one.json()["sha256"]);
    assert_eq!(app.why("default").await["policy"], "wasm:mine");

    let other = app.upload("mine", Guest::ranker(LAST).component()).await;
    assert_eq!(
        app.default().await["sha256"],
        other.json()["sha256"],
        "where it is in force the new version takes over"
    );
    let back = app.call("POST", "/policies/mine/rollback").await;
    assert_eq!((back.status, &back.json()["sha256"]), (200, &one.json()["sha256"]), "{}", back.text());
    assert_eq!(app.default().await["sha256"], one.json()["sha256"]);
    let further = app.call("POST", "/policies/mine/rollback").await;
    assert_eq!((further.status, &further.json()["code"]), (409, &json!("no_earlier_version")));

    app.kill().await;
    app.restart().await;
    app.ready(1).await;
    let default = app.default().await;
    assert_eq!((&default["policy"], &default["sha256"]), (&json!("wasm:mine"), &one.json()["sha256"]));

    let answer = app.call("DELETE", "/policies/mine/activate").await;
    assert_eq!(answer.json(), json!({ "default": "native:least-loaded" }));
    let answer = app.call("DELETE", "/policies/mine/activate").await;
    assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("policy_not_activated")));
    assert_eq!(app.call("DELETE", "/policies/mine").await.status, 204);
    let answer = app.call("DELETE", "/policies/mine").await;
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("policy_not_found")));
    assert_eq!(app.policies().await["available"], json!([]));
}

#[tokio::test]
async fn an_activation_can_be_undone_after_the_policy_was_removed() {
    let worker = TestWorker::start(&[]).await;
    let app = app_with(&[], &[&worker], &[]).await;
    assert_eq!(app.upload("mine", Guest::ranker(FIRST).module()).await.status, 200);
    assert_eq!(app.call("POST", "/policies/mine/activate").await.status, 200);
    assert_eq!(app.call("DELETE", "/policies/mine").await.status, 204);
    assert_eq!(app.why("default").await["policy"], "wasm:mine", "the last good one stays");
    let answer = app.call("DELETE", "/policies/mine/activate").await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "default": "native:least-loaded" })), "{}", answer.text());
    let answer = app.call("DELETE", "/policies/mine/activate").await;
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("policy_not_found")));
}

#[tokio::test]
async fn what_was_uploaded_goes_before_the_file_of_that_name() {
    let worker = TestWorker::start(&[]).await;
    let file = Guest::ranker(FIRST).module();
    let app = app_with(&[("default.wasm", &file)], &[&worker], &[]).await;
    let given = app.default().await["sha256"].clone();
    let uploaded = app.upload("default", Guest::ranker(LAST).module()).await.json();
    assert_eq!(app.default().await["sha256"], uploaded["sha256"]);
    let listed = app.policies().await["available"][0].clone();
    assert_eq!((&listed["source"], &listed["hidesAnother"]), (&json!("uploaded"), &json!(true)));
    assert_eq!(app.lines_with("an uploaded policy hides the file").len(), 1);

    assert_eq!(app.call("DELETE", "/policies/default").await.status, 204);
    assert_eq!(app.default().await["sha256"], given);
    // The version in the directory can be gone back from, to what was uploaded.
    let back = app.call("POST", "/policies/default/rollback").await;
    assert_eq!(back.status, 409, "the first version is in use again: {}", back.text());
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_refused_and_changes_nothing() {
    let worker = TestWorker::start(&[]).await;
    let app = app_with(&[], &[&worker], &[]).await;
    let good = app.upload("mine", Guest::ranker(FIRST).module()).await.json();
    let refused =
        |answer: crate::harness::Answer| (answer.status, answer.json()["code"].clone(), answer.text().to_owned());
    let (status, code, text) = refused(app.upload("mine", b"#!/bin/sh".to_vec()).await);
    assert_eq!((status, code), (422, json!("policy_refused")), "{text}");
    assert!(text.contains("it is no WebAssembly file"), "{text}");
    assert_eq!(app.policies().await["available"][0]["sha256"], good["sha256"]);

    let (status, code, _) = refused(app.upload("..%2Fmine", Guest::ranker(FIRST).module()).await);
    assert_eq!((status, code), (400, json!("invalid_policy_name")));
    let (status, code, _) = refused(app.call("POST", "/policies/other/activate").await);
    assert_eq!((status, code), (404, json!("policy_not_found")));
    let (status, code, _) = refused(app.call("POST", "/policies/native:best/activate").await);
    assert_eq!((status, code), (404, json!("policy_not_found")));
    let huge = vec![0; (64 << 20) + 1];
    let (status, code, _) = refused(app.upload("huge", huge).await);
    assert_eq!((status, code), (413, json!("body_too_large")));
}

#[tokio::test]
async fn nobody_changes_policies_without_the_key() {
    let worker = TestWorker::start(&[]).await;
    let app = app_with(&[], &[&worker], &[]).await;
    for (method, path) in [
        ("GET", "/policies"),
        ("PUT", "/policies/mine"),
        ("DELETE", "/policies/mine"),
        ("POST", "/policies/mine/activate"),
        ("POST", "/policies/mine/rollback"),
    ] {
        let request = crate::harness::app::client().request(method.parse().unwrap(), format!("{}{path}", app.url));
        assert_eq!(request.send().await.unwrap().status(), 401, "{method} {path}");
    }
    assert_eq!(app.policies().await["available"], json!([]));
}

#[tokio::test]
async fn a_native_policy_can_be_activated_too() {
    let worker = TestWorker::start(&[]).await;
    let app = app_with(&[("default.wasm", &Guest::ranker(FIRST).module())], &[&worker], &[]).await;
    assert_eq!(app.call("POST", "/policies/native:round-robin/activate").await.status, 200);
    let why = app.why("default").await;
    assert_eq!((&why["policy"], &why["version"]), (&json!("native:round-robin"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(why["signals"]["slots"], app.worker(&worker.url).await["slots"]["limit"]);
    let counted = app.default().await;
    assert_eq!((&counted["decisions"]["count"], &counted["sha256"]), (&json!(1), &Value::Null));
    until("it is in the history", || async { app.policies().await["history"][0]["what"] == "in_force" }).await;
}
