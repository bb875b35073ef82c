//! Policies that mean no good, dropped into a balancer at work.

use serde_json::{Value, json};

use super::bench::{Bench, LOWEST, app_with};
use crate::evil::*;
use crate::guest::{FIRST, Guest};
use crate::harness::{TestWorker, until};

/// Misbehaves in every lane but that of the trial, which has number 1.
fn evil(body: &str) -> Guest {
    Guest::ranker(&format!(
        "(if (result i32) (i32.ne (i32.load (local.get $args)) (i32.const 1)) (then {body}) (else {FIRST}))"
    ))
}

fn thrice(reason: &str) -> [Value; 3] {
    [reason, reason, reason].map(Value::from)
}

/// Waits until the file is in force, and runs some tasks: all end well. The reasons for native order.
async fn reasons(app: &Bench, file: &[u8]) -> Vec<Value> {
    let before = app.default().await["sha256"].clone();
    app.put("default.wasm", file);
    until("the file is in force", || async {
        let default = app.default().await;
        assert_eq!(default["trouble"], Value::Null);
        default["sha256"] != before
    })
    .await;
    let mut reasons = Vec::new();
    for _ in 0..3 {
        reasons.push(app.why("default").await["fallback"].clone());
    }
    reasons
}

/// A good file puts an end to it.
async fn recovers(app: &Bench, good: &[u8]) {
    app.put("default.wasm", good);
    until("a good file puts an end to it", || async {
        let why = app.why("default").await;
        why["policy"] == "wasm:default" && why.get("fallback").is_none()
    })
    .await;
    app.default_has("trouble", Value::Null).await;
}

#[tokio::test]
async fn every_task_is_served_whatever_a_policy_does_and_a_good_file_puts_an_end_to_it() {
    let workers = [TestWorker::start(&["--slots", "4"]).await, TestWorker::start(&["--slots", "4"]).await];
    let [one, other] = &workers;
    let good = Guest::ranker(LOWEST).module();
    let env = [("POLICY_DEADLINE_MS", "100"), ("POLICY_LOAD_DEADLINE_MS", "1000")];
    let app = app_with(&[("default.wasm", &good)], &[one, other], &env).await;
    let third = "(if (i32.ne (i32.load (local.get $args)) (i32.const 1)) (then
           (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
           (if (i32.eqz (i32.rem_u (global.get $calls) (i32.const 3))) (then (unreachable)))))";
    let flood = "(local $line i32) (loop $next (call $log (i32.const 0) (i32.const 0) (i32.const 1000))
         (local.set $line (i32.add (local.get $line) (i32.const 1)))
         (br_if $next (i32.lt_u (local.get $line) (i32.const 200))))";
    let cases: [(Guest, [Value; 3]); 8] = [
        (evil(ENDLESS), thrice("deadline")),
        (evil(RECURSION), thrice("trap")),
        (evil(HOG), thrice("memory")),
        (evil(HUGE), thrice("invalid")),
        (evil(OUT_OF_RANGE), thrice("invalid")),
        (evil(TWICE), thrice("invalid")),
        (evil(WASI).and_import(WASI_NAME, WASI_PACKAGE, WASI_IMPORT), thrice("trap")),
        (Guest::ranker(&format!("{flood} {FIRST}")).and_log(), [Value::Null, Value::Null, Value::Null]),
    ];
    for (guest, expected) in cases {
        assert_eq!(reasons(&app, &guest.module()).await, expected);
        if let Some(reason) = expected[0].as_str() {
            let counted = app.default().await["fallbacks"].clone();
            assert_eq!(counted, json!({ reason: 3 }));
            assert!(
                app.metric(&format!("andera_lb_policy_fallbacks_total{{policy=\"wasm:default\",reason=\"{reason}\"}}"))
                    .await
                    >= 3
            );
        }
        recovers(&app, &good).await;
    }

    let guest = Guest::ranker(&format!("{third} {FIRST}")).and_setup(true, "(call $fine)", "");
    let guest = guest.with("(global $calls (mut i32) (i32.const 0))");
    assert_eq!(reasons(&app, &guest.module()).await, [Value::Null, Value::Null, json!("trap")]);
    recovers(&app, &good).await;

    let whole = Guest::ranker(FIRST).component();
    let wrong_version = r#"(component (instance $none) (export "andera:routing/ranking@2.0.0" (instance $none)))"#;
    let refused: [(&str, Vec<u8>, &str); 6] = [
        (
            "a trap in configure",
            Guest::ranker(FIRST).and_setup(false, "(unreachable)", "").module(),
            "in configure (trap)",
        ),
        (
            "an unknown import",
            Guest::ranker(&format!("(drop (call $open)) {FIRST}"))
                .and_import(FOREIGN_NAME, FOREIGN_PACKAGE, FOREIGN_IMPORT)
                .module(),
            "which is not there",
        ),
        ("a wrong version", wat::parse_str(wrong_version).unwrap(), "in version 1.0.0"),
        ("a text", b"#!/bin/sh\necho".to_vec(), "no WebAssembly file"),
        ("a part of a file", whole[..whole.len() - 30].to_vec(), "does not compile"),
        ("a slow start", Guest::ranker(FIRST).with(SLOW_START).module(), "its start (deadline)"),
    ];
    let kept = app.default().await["sha256"].clone();
    for (what, file, expected) in refused {
        app.put("default.wasm", &file);
        until(&format!("{what} is refused"), || async {
            app.default().await["trouble"].as_str().is_some_and(|trouble| trouble.contains(expected))
        })
        .await;
        let why = app.why("default").await;
        assert_eq!((&why["policy"], &why.get("fallback")), (&json!("wasm:default"), &None), "{what}");
        assert_eq!(app.default().await["sha256"], kept, "{what}");
    }
    recovers(&app, &good).await;
}
