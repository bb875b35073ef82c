//! `policies.json`.

use serde_json::{Value, json};

use super::bench::{app_with, echo};
use crate::guest::{FIRST, Guest};
use crate::harness::{TestWorker, until};

/// Accepts a configuration of 10 bytes alone.
const PICKY: &str = "(local $at i32) (local.set $at (call $fine))
    (if (i32.ne (local.get $length) (i32.const 10)) (then
      (i32.store8 (local.get $at) (i32.const 1))
      (i32.store offset=4 (local.get $at) (local.get $json)) (i32.store offset=8 (local.get $at) (local.get $length))))
    (local.get $at)";

#[tokio::test]
async fn lanes_have_the_policies_that_the_rules_give_them_as_the_file_changes() {
    let one = TestWorker::start(&["--group", "video"]).await;
    let other = TestWorker::start(&["--group", "audio"]).await;
    let rules = json!({ "rules": [{ "group": "video", "policy": "wasm:first" },
                                  { "group": "audio", "contract": 1, "policy": "native:peak-ewma" }] });
    let rules = rules.to_string();
    let files: [(&str, &[u8]); 2] =
        [("first.wasm", &Guest::ranker(FIRST).module()), ("policies.json", rules.as_bytes())];
    let app = app_with(&files, &[&one, &other], &[("POLICY", "native:round-robin")]).await;
    assert_eq!(app.why("video").await["policy"], "wasm:first");
    assert_eq!(app.why("audio").await["policy"], "native:peak-ewma");
    let shown = app.policies().await["inForce"].clone();
    let scope = |at: usize| (shown[at]["group"].clone(), shown[at]["contract"].clone(), shown[at]["policy"].clone());
    assert_eq!(scope(0), (Value::Null, Value::Null, json!("native:round-robin")));
    assert_eq!(scope(1), (json!("video"), Value::Null, json!("wasm:first")));
    assert_eq!(scope(2), (json!("audio"), json!(1), json!("native:peak-ewma")));

    app.put("policies.json", json!({ "rules": [{ "group": "audio", "policy": "wasm:first" }] }).to_string().as_bytes());
    until("there is another rule", || async { app.policies().await["inForce"][1]["group"] == "audio" }).await;
    assert_eq!(app.why("video").await["policy"], "native:round-robin");
    assert_eq!(app.why("audio").await["policy"], "wasm:first");

    app.put("policies.json", b"{ \"rules\": [{ \"gruop\": 1 }] }");
    until("what is wrong is said", || async {
        app.policies().await["rulesError"].as_str().is_some_and(|text| text.contains("unknown field `gruop`"))
    })
    .await;
    assert_eq!(app.why("audio").await["policy"], "wasm:first", "the last good rules stay");
    app.delete("policies.json");
    until("there are no rules", || async { app.policies().await["inForce"].as_array().unwrap().len() == 1 }).await;
    assert_eq!(app.policies().await["rulesError"], Value::Null);
}

#[tokio::test]
async fn a_policy_gets_the_configuration_that_is_meant_for_it_and_keeps_the_last_good_one() {
    let worker = TestWorker::start(&[]).await;
    let guest = Guest::ranker(FIRST).and_setup(false, PICKY, "").module();
    let rules = |config: &str| format!(r#"{{"policies":{{"picky":{{"config":{config}}}}}}}"#);
    let good = rules(r#"{"a":1234}"#);
    let files: [(&str, &[u8]); 2] = [("picky.wasm", &guest), ("policies.json", good.as_bytes())];
    let app = app_with(&files, &[&worker], &[("POLICY", "wasm:picky")]).await;
    assert_eq!(app.default().await["status"], "ok");
    let version = app.why("default").await["version"].clone();
    assert!(version.as_str().unwrap().starts_with("1.2+"), "{version}");

    app.put("policies.json", rules(r#"{"a":1}"#).as_bytes());
    app.default_has("trouble", r#"it refuses its configuration: {"a":1}"#).await;
    assert_eq!(app.why("default").await["policy"], "wasm:picky");
    app.put("policies.json", rules(r#"{"b":9876}"#).as_bytes());
    app.default_has("trouble", Value::Null).await;
}

#[tokio::test]
async fn limits_can_be_set_for_one_policy() {
    let worker = TestWorker::start(&[]).await;
    // Two megabytes are what these guests are born with.
    let rules = json!({ "policies": { "first": { "limits": { "memoryMb": 1 } } } }).to_string();
    let files: [(&str, &[u8]); 2] =
        [("first.wasm", &Guest::ranker(FIRST).module()), ("policies.json", rules.as_bytes())];
    let app = app_with(&files, &[&worker], &[("POLICY", "wasm:first")]).await;
    assert_eq!(app.default().await["status"], "missing");
    app.put("policies.json", b"{}");
    app.default_has("status", "ok").await;
    assert_eq!(app.submit(&echo()).await.status, 200);
}
