//! Policies that are asked and not obeyed.

use serde_json::{Value, json};

use super::bench::{LAST, LOWEST, app_with, echo};
use crate::guest::Guest;
use crate::harness::{TestWorker, until};

const TASKS: u64 = 20;

#[tokio::test]
async fn a_shadow_is_compared_with_the_policy_in_force_and_decides_nothing() {
    let workers = [TestWorker::start(&["--slots", "4"]).await, TestWorker::start(&["--slots", "4"]).await];
    let [one, other] = &workers;
    let rules = |shadow: &str| json!({ "rules": [{ "shadow": { "policy": shadow, "sample": 1 } }] }).to_string();
    let (lowest, last) = (Guest::ranker(LOWEST).module(), Guest::ranker(LAST).module());
    let files: [(&str, &[u8]); 3] = [("default.wasm", &lowest), ("same.wasm", &lowest), ("last.wasm", &last)];
    let app = app_with(&files, &[one, other], &[]).await;
    assert_eq!(app.default().await["shadow"], Value::Null);
    for (shadow, agreed, differed) in [("wasm:same", TASKS, 0), ("wasm:last", 0, TASKS)] {
        app.put("policies.json", rules(shadow).as_bytes());
        until("it is asked", || async { app.default().await["shadow"]["policy"] == shadow }).await;
        for asked in 1..=TASKS {
            assert_eq!(app.submit(&echo()).await.status, 200);
            // One at a time, so that none is skipped.
            until("it has been asked", || async {
                let shadow = app.default().await["shadow"].clone();
                shadow["agreed"].as_u64().unwrap() + shadow["differed"].as_u64().unwrap() == asked
            })
            .await;
        }
        let shown = app.default().await["shadow"].clone();
        assert_eq!((&shown["agreed"], &shown["differed"]), (&json!(agreed), &json!(differed)), "{shown}");
        assert_eq!((&shown["failed"], &shown["skipped"]), (&json!(0), &json!(0)), "{shown}");
        assert!(shown["times"]["p99Us"].as_f64().unwrap() > 0.0);
    }
    assert_eq!((one.started() as u64, other.started()), (2 * TASKS, 0), "nobody obeys a shadow");

    app.put("policies.json", rules("wasm:none").as_bytes());
    until("a shadow that is not there does no harm", || async {
        app.default().await["shadow"]["trouble"].as_str().is_some_and(|text| text.contains("there is no file"))
    })
    .await;
    assert_eq!(app.submit(&echo()).await.status, 200);
    let decisions = app.default().await["decisions"]["count"].clone();
    assert_eq!(decisions, 2 * TASKS + 1, "the policy itself stayed all the time");
}

#[tokio::test]
async fn native_policies_can_be_compared_too() {
    let worker = TestWorker::start(&[]).await;
    let rules = json!({ "rules": [{ "shadow": { "policy": "native:round-robin", "sample": 1.0 } }] }).to_string();
    let app = app_with(&[("policies.json", rules.as_bytes())], &[&worker], &[]).await;
    for _ in 0..5 {
        assert_eq!(app.submit(&echo()).await.status, 200);
    }
    let shown = app.default().await;
    assert_eq!((&shown["policy"], &shown["shadow"]["agreed"]), (&json!("native:least-loaded"), &json!(5)));
    assert_eq!(shown["shadow"]["agreement"], 1.0);
}
