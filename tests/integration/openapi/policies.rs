//! Policies: examples, names, errors.

use serde_json::json;

use super::bench::{Ask, Bench, Covered};
use super::document::Operation;
use super::errors::refused;
use super::examples::{body, of};
use crate::guest::{FIRST, Guest};
use crate::harness::{Answer, TestApp, until};

/// Has one instance on a thread of its own, so that nothing depends on how fast it is. The number makes it another file.
fn guest(number: u32) -> Vec<u8> {
    let guest = Guest::ranker(FIRST).and_setup(true, "(call $fine)", "");
    guest.with(&format!("(global $number i32 (i32.const {number}))")).module()
}

fn upload(number: u32) -> Ask {
    Ask { file: Some(guest(number)), ..body("file") }
}

/// Policies have a balancer of their own.
pub(super) async fn run(covered: &mut Covered) {
    let directory = tempfile::tempdir().unwrap();
    let rules = json!({ "rules": [{ "shadow": { "policy": "native:round-robin", "sample": 1 } }] }).to_string();
    std::fs::write(directory.path().join("policies.json"), rules).unwrap();
    // The machine may be busy.
    let env = [
        ("POLICIES_DIR", directory.path().to_str().unwrap()),
        ("POLICY_DEADLINE_MS", "1000"),
        ("POLICY_LOAD_DEADLINE_MS", "60000"),
    ];
    let bench = Bench::start(&env).await;
    bench.run("uploadPolicy", "file", upload(1), covered).await;
    bench.run("activatePolicy", "activated", Ask::default(), covered).await;
    assert_eq!(bench.app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
    until("the worker is free again", || async {
        bench.send("listLanes", Ask::default()).await.json()[0]["freeSlots"] == 10
    })
    .await;
    bench.run("listPolicies", "policies", Ask::default(), covered).await;

    assert_eq!(bench.send("rollBackPolicy", Ask::default()).await.json()["code"], "no_earlier_version");
    assert_eq!(bench.send("uploadPolicy", upload(2)).await.status, 200);
    bench.run("rollBackPolicy", "earlier", Ask::default(), covered).await;
    bench.run("deactivatePolicy", "deactivated", Ask::default(), covered).await;
    assert_eq!(bench.send("deactivatePolicy", Ask::default()).await.json()["code"], "policy_not_activated");
    assert_eq!(bench.send("removePolicy", Ask::default()).await.status, 204);

    // What a broken policy looks like fits too.
    std::fs::write(directory.path().join("policies.json"), r#"{"rules":[{"group":"g","policy":"wasm:none"}]}"#)
        .unwrap();
    until("there is trouble", || async {
        let shown = bench.send("listPolicies", Ask::default()).await.json();
        shown["inForce"][1]["status"] == "missing"
    })
    .await;
    std::fs::write(directory.path().join("policies.json"), "{").unwrap();
    std::fs::write(directory.path().join("bad.wasm"), "no policy").unwrap();
    until("the bad file is listed", || async {
        let shown = bench.send("listPolicies", Ask::default()).await.json();
        shown["available"][0]["usable"] == false && shown["rulesError"].is_string()
    })
    .await;
    assert_eq!(bench.send("activatePolicy", of("bad")).await.json()["code"], "policy_refused");
    assert_eq!(bench.send("health", Ask::default()).await.json()["policies"][1]["group"], "g");
}

impl Bench {
    /// Names, files and sizes that an operation on a policy does not take.
    pub(super) async fn refuses_policies(&self, operation: &Operation<'_>) {
        let id = operation.id;
        let request =
            |name: &str| self.keyless(operation, Some(name), "").header("authorization", crate::harness::LB_KEY);
        let expected = refused(400, "invalid_policy_name");
        assert_eq!(self.answer(operation, request("a%20b")).await, expected, "{id}");
        if operation.value.get("requestBody").is_none() {
            assert_eq!(self.answer(operation, request("nobody")).await, refused(404, "policy_not_found"), "{id}");
            return;
        }
        let encoded = request("new").header("content-encoding", "zstd");
        for (request, expected) in [
            (request("new").body("\0asm"), refused(422, "policy_refused")),
            (request("new").body(vec![0; (64 << 20) + 1]), refused(413, "body_too_large")),
            (request("new").header("content-encoding", "gzip").body("no gzip"), refused(400, "invalid_json")),
            (encoded.body("file"), refused(415, "unsupported_media_type")),
        ] {
            assert_eq!(self.answer(operation, request).await, expected, "{id}");
        }
    }
}

#[tokio::test]
async fn the_schema_of_a_name_and_the_balancer_take_the_same() {
    let bench = Bench::start(&[]).await;
    let long = "x".repeat(101);
    let names =
        ["mine", "wasm:mine", "1.2", "a..", "_", "-", ".a", "", "a b", "a/b", "../a", "é", "wasm:", "native:best"];
    for name in names.into_iter().chain([&*long, &long[1..]]) {
        for id in ["removePolicy", "activatePolicy", "deactivatePolicy", "rollBackPolicy"] {
            let operation = bench.document.operation(id);
            let fits =
                bench.document.problems(&operation.parameter("name").unwrap()["schema"], &name.into()).is_empty();
            let encoded = name.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"));
            if encoded.is_empty() {
                assert!(!fits, "{id}");
                continue;
            }
            let request = bench.keyless(&operation, Some(&encoded), "").header("authorization", crate::harness::LB_KEY);
            let answer = Answer::of(request.send().await.unwrap()).await;
            bench.check(&operation, &answer);
            let expected = if fits { "policy_not_found" } else { "invalid_policy_name" };
            assert_eq!(answer.json()["code"], expected, "{id} {name:?}");
        }
    }
}
