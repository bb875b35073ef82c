//! `andera-lb policy`: files checked and measured, calls of a real balancer replayed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{parts, run};
use crate::guest::{FIRST, Guest};
use crate::harness::{LB_KEY, TestApp, TestWorker, WORKER_KEY, until, with};

/// Ranks the row of a number that decisions and outcomes count up; traps at every thirteenth decision, but not in the lane of the trial,
/// which has number 1.
const COUNTING: &str = "(global.set $ranks (i32.add (global.get $ranks) (i32.const 1)))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (if (i32.and (i32.eqz (i32.rem_u (global.get $ranks) (i32.const 13))) (i32.ne (i32.load (local.get $args)) (i32.const 1)))
      (then (unreachable)))
    (call $rows (i32.rem_u (global.get $count) (call $candidates (local.get $args))) (i32.const 1))";
const COUNT: &str = "(global $count (mut i32) (i32.const 0)) (global $ranks (mut i32) (i32.const 0))";
/// A trap for more than 64 candidates, with a word in the log.
const FEW: &str = "(if (i32.gt_u (call $candidates (local.get $args)) (i32.const 64)) (then
    (call $log (i32.const 3) (i32.const 128) (i32.const 8)) (unreachable)))";
/// The machine may be busy.
const PATIENT: [(&str, &str); 2] = [("POLICY_DEADLINE_MS", "1000"), ("POLICY_LOAD_DEADLINE_MS", "60000")];

/// Accepts with the priority asked for.
fn accepting(guest: Guest) -> Guest {
    guest.and_priority(
        "(local $at i32) (local.set $at (call $alloc (i32.const 20)))
         (i32.store offset=4 (local.get $at) (i32.load offset=36 (local.get $args))) (local.get $at)",
    )
}

/// A directory with files in it.
struct Place(tempfile::TempDir);

impl Place {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, file) in files {
            std::fs::write(place.0.path().join(name), file).unwrap();
        }
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Exit code, stdout and stderr of `andera-lb policy …`.
    async fn policy(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let args: Vec<&str> = ["policy"].iter().chain(args).copied().collect();
        let (code, lines, errors) = parts(&run(&args, &PATIENT, self.path()).await);
        (code, lines.join("\n"), errors.join("\n"))
    }

    async fn json(&self, args: &[&str]) -> (Option<i32>, Value) {
        let (code, text, errors) = self.policy(args).await;
        (code, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {errors}")))
    }
}

/// Has a balancer with this policy serve some tasks; gives the record of it.
async fn recorded(guest: &Guest) -> (Place, PathBuf) {
    let workers = [TestWorker::start(&["--slots", "4"]).await, TestWorker::start(&["--slots", "4"]).await];
    let place = Place::with(&[("default.wasm", &guest.module())]);
    let file = place.path().join("calls.ndjson");
    let (directory, record) = (place.path().to_str().unwrap(), file.to_str().unwrap());
    let mut env = vec![("POLICIES_DIR", directory), ("POLICY_RECORD", record)];
    env.extend(PATIENT);
    let mut app = TestApp::start_with(&[&workers[0], &workers[1]], &env).await;
    for number in 0..20 {
        let options = json!({ "options": { "tenant": format!("tenant {number}") }, "priority": 1 + number });
        let body = with(TestApp::call("echo", &json!({ "text": "not to be recorded" })), options);
        assert_eq!(app.submit(&body).await.status, 200);
    }
    let calls = |text: &str| std::fs::read_to_string(&file).unwrap().matches(text).count();
    until("the last call is in the record", || async { calls("\"prioritize\":") == 20 && calls("\"rank\":") >= 20 })
        .await;
    app.terminate();
    app.exited().await;
    (place, file)
}

#[tokio::test]
async fn a_record_of_a_balancer_replays_without_a_difference_with_state_and_without() {
    let stateful = accepting(Guest::ranker(COUNTING).with(COUNT))
        .and_feedback("(global.set $count (i32.add (global.get $count) (local.get $count)))");
    let stateless = accepting(Guest::least_loaded()).and_setup(false, "(call $fine)", "");
    for guest in [stateful, stateless] {
        let (place, file) = recorded(&guest).await;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("tenant 19") && text.contains("\"close\""), "{text}");
        for secret in [LB_KEY, WORKER_KEY, "not to be recorded"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let (code, report) = place.json(&["replay", "calls.ndjson", "default.wasm", "--json"]).await;
        assert_eq!((code, &report["different"]), (Some(0), &json!(0)), "{report:#}");
        assert_eq!(report["byCall"]["prioritize"], json!({ "same": 20, "different": 0 }), "{report:#}");
        let failed = text.contains("\"reason\":\"trap\"");
        assert_eq!(failed, report["name"] == "", "the one with state has no name");
        assert_eq!((&report["notCompared"], &report["lost"], &report["closed"]), (&json!(0), &json!(0), &json!(true)));
        assert!(report["byCall"]["rank"]["same"].as_u64().unwrap() >= 20, "{report:#}");
        assert_eq!(report["recorded"][0]["sha256"], report["sha256"]);

        let (code, text, _) = place.policy(&["replay", "calls.ndjson", "default.wasm"]).await;
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("recorded: wasm:default ") && text.contains("answers are the same."), "{text}");
    }
}

#[tokio::test]
async fn another_policy_is_shown_where_it_decides_otherwise() {
    let (place, _) = recorded(&accepting(Guest::ranker(FIRST))).await;
    let second = "(call $rows (i32.sub (call $candidates (local.get $args)) (i32.const 1)) (i32.const 1))";
    std::fs::write(place.path().join("other.wasm"), accepting(Guest::ranker(second)).component()).unwrap();
    let (code, text, errors) = place.policy(&["replay", "calls.ndjson", "other.wasm", "--show", "2"]).await;
    assert_eq!(code, Some(1), "{text} {errors}");
    let shown = ": rank of 2 candidates\n    recorded {\"rows\":[0]}\n    now      {\"rows\":[1]}";
    assert_eq!(text.matches(shown).count(), 2, "{text}");
    assert!(text.contains("more (--show N)"), "{text}");

    for (args, reason) in [
        (&["replay", "default.wasm", "other.wasm"], "no record"),
        (&["replay", "missing", "other.wasm"], "cannot read missing"),
        (&["replay", "calls.ndjson", "missing.wasm"], "cannot read missing.wasm"),
        (&["replay", "calls.ndjson", "calls.ndjson"], "it is no WebAssembly file"),
    ] {
        let (code, text, errors) = place.policy(args).await;
        assert_eq!((code, text.as_str()), (Some(64), ""), "{errors}");
        assert!(errors.contains(reason), "{errors}");
    }
    let (code, _, errors) = place.policy(&["replay", "calls.ndjson", "other.wasm", "--only", "wasm:sticky"]).await;
    assert_eq!(code, Some(64));
    assert!(errors.contains("no call of wasm:sticky"), "{errors}");
}

#[tokio::test]
async fn a_balancer_that_is_to_record_where_it_cannot_says_so() {
    let place = Place::with(&[("workers.json", b"[]"), ("letter", b"dear all")]);
    let env = [("LB_AUTH_KEY", LB_KEY), ("HOST", "127.0.0.1"), ("PORT", "0"), ("POLICY_RECORD", "letter")];
    let (code, _, errors) = parts(&run(&["serve"], &env, place.path()).await);
    assert_eq!(code, Some(1));
    assert!(errors.concat().contains("POLICY_RECORD: cannot record to letter"), "{errors:?}");
    assert_eq!(std::fs::read(place.path().join("letter")).unwrap(), b"dear all");
}

#[tokio::test]
async fn a_policy_is_checked_before_it_is_used() {
    let good = accepting(Guest::least_loaded()).and_feedback("").and_setup(false, "(call $fine)", "");
    let few = Guest::ranker(&format!("{FEW} {FIRST}")).with("(data (i32.const 128) \"too many\")").and_log();
    let files: [(&str, &[u8]); 3] =
        [("good.wasm", &good.component()), ("few.wasm", &few.module()), ("script.wasm", b"#!/bin/sh\n")];
    let place = Place::with(&files);

    let (code, found) = place.json(&["check", "good.wasm", "--json"]).await;
    assert_eq!((code, &found["usable"]), (Some(0), &json!(true)), "{found:#}");
    let loaded = &found["loaded"];
    assert_eq!(
        (&loaded["name"], &loaded["version"], &loaded["stateful"]),
        (&json!("guest"), &json!("1.2"), &json!(true))
    );
    assert_eq!(loaded["exports"], json!(["ranking", "priority", "feedback", "setup"]));
    assert_eq!((&found["bytes"], &loaded["imports"]), (&json!(files[0].1.len()), &json!([])));
    assert_eq!((found["sha256"].as_str().unwrap().len(), loaded["memoryBytes"].as_u64()), (64, Some(2 << 20)));
    assert!(found["checks"].as_array().unwrap().len() > 40, "{found:#}");

    let (code, text, errors) = place.policy(&["check", "few.wasm"]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("\nFAILED  rank: 1000 candidates: trap: ") && text.contains("\nok      rank: 64 candidates\n")
    );
    assert!(text.contains("imports   andera:routing/log@1.0.0") && text.contains("NOT usable: "), "{text}");
    assert!(errors.contains("too many policy=wasm:few"), "what it logs is shown: {errors}");

    let (code, text, _) = place.policy(&["check", "script.wasm"]).await;
    assert_eq!(code, Some(1));
    assert!(text.contains("NOT usable: it is no WebAssembly file"), "{text}");

    for (args, reason) in [
        (&["check", "missing.wasm"][..], "cannot read missing.wasm"),
        (&["check", "good.wasm", "--config", "[]"], "no JSON object"),
        (&["check", "good.wasm", "--config", "{"], "not JSON"),
    ] {
        let (code, text, errors) = place.policy(args).await;
        assert_eq!((code, text.as_str()), (Some(64), ""), "{errors}");
        assert!(errors.contains(reason), "{errors}");
    }
}

#[tokio::test]
async fn a_configuration_that_the_policy_refuses_is_told() {
    let refusing = "(local $at i32) (local.set $at (call $fine))
        (if (i32.ne (local.get $length) (i32.const 2)) (then
          (i32.store8 (local.get $at) (i32.const 1))
          (i32.store offset=4 (local.get $at) (local.get $json)) (i32.store offset=8 (local.get $at) (local.get $length))))
        (local.get $at)";
    let place = Place::with(&[("p.wasm", &Guest::least_loaded().and_setup(false, refusing, "").module())]);
    let (code, text, _) = place.policy(&["check", "p.wasm", "--config", "{\"a\":1}"]).await;
    assert_eq!(code, Some(1));
    assert!(text.contains("NOT usable: it refuses its configuration: {\"a\":1}"), "{text}");
    assert_eq!(place.policy(&["check", "p.wasm"]).await.0, Some(0));
}

#[tokio::test]
async fn a_policy_is_measured_beside_the_native_one() {
    let few = Guest::ranker(&format!("{FEW} {FIRST}")).and_log();
    let place = Place::with(&[
        ("good.wasm", &accepting(Guest::least_loaded()).module()),
        ("few.wasm", &few.module()),
        ("deaf.wasm", &Guest::default().and_feedback("").module()),
    ]);
    let (code, text, errors) = place.policy(&["bench", "good.wasm", "--time", "5"]).await;
    assert_eq!(code, Some(0), "{errors}");
    let sizes: Vec<&str> = text.lines().skip(3).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(sizes, ["1", "8", "64", "1000", "10000", "prioritize:"], "{text}");
    assert!(errors.contains("rank, 10000 candidates …"), "{errors}");
    assert_eq!(errors.contains("debug build"), cfg!(debug_assertions), "{errors}");

    let (code, measured) = place.json(&["bench", "good.wasm", "--time", "5", "--json"]).await;
    assert_eq!((code, measured["rank"].as_array().unwrap().len()), (Some(0), 5));
    assert!(measured["rank"][4]["policy"]["medianNs"].as_u64().unwrap() > 0, "{measured:#}");
    assert!(measured["prioritize"]["p99Ns"].as_u64().unwrap() > 0, "{measured:#}");

    let (code, _, errors) = place.policy(&["bench", "few.wasm", "--time", "5"]).await;
    assert_eq!(code, Some(1));
    assert!(errors.contains("a call failed (trap)"), "{errors}");
    let (code, _, errors) = place.policy(&["bench", "deaf.wasm"]).await;
    assert_eq!(code, Some(64));
    assert!(errors.contains("nothing to measure"), "{errors}");
}
