//! The page of the policies.

use serde_json::json;

use super::pages::{LIVE, READ_ONLY_KEY, is_quiet, is_quiet_but_for};
use crate::guest::{FIRST, Guest};
use crate::harness::{Answer, LB_KEY, Page, TestApp, TestWorker};

/// The button of that word beside the policy `mine`.
fn button(word: &str) -> String {
    format!("[aria-label='{word} mine']")
}

/// That the policy in force is that one.
fn says(policy: &str) -> String {
    format!("document.querySelector('#in-force h2 code')?.innerText === '{policy}'")
}

async fn upload(app: &TestApp, file: Vec<u8>) -> serde_json::Value {
    let request = app.request("PUT", "/policies/mine").header("content-type", "application/wasm").body(file);
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["sha256"].clone()
}

async fn in_force(app: &TestApp) -> serde_json::Value {
    app.get("/policies").await.json()["inForce"][0].clone()
}

#[tokio::test]
async fn a_policy_is_activated_rolled_back_and_deactivated_from_the_page() {
    let worker = TestWorker::start(&[]).await;
    let app =
        TestApp::start_with(&[&worker], &[("POLICY_DEADLINE_MS", "1000"), ("POLICY_LOAD_DEADLINE_MS", "60000")]).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.goto(&format!("{}/dashboard/policies", app.url)).await;
    page.until(LIVE).await;
    page.until(&says("native:least-loaded")).await;
    page.shows("No policies of your own yet").await;

    let first = upload(&app, Guest::ranker(FIRST).module()).await;
    page.click(&button("Activate")).await;
    page.until(&says("wasm:mine")).await;
    assert_eq!(in_force(&app).await["sha256"], first);
    let second = upload(&app, Guest::ranker(&format!("(nop) {FIRST}")).module()).await;
    assert_eq!(in_force(&app).await["sha256"], second);
    page.click(&button("Roll back")).await;
    page.shows("Done: Roll back mine").await;
    assert_eq!(in_force(&app).await["sha256"], first);
    page.until(&format!("document.querySelector('#in-force [title={first}]') !== null")).await;

    assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
    page.until("/Calls, p50 .* p99\\s+1\\s/.test(document.querySelector('#in-force').innerText)").await;
    page.click(&button("Deactivate")).await;
    page.until(&says("native:least-loaded")).await;
    assert_eq!(in_force(&app).await["policy"], "native:least-loaded");
    is_quiet(&page, &app);
}

#[tokio::test]
async fn a_policy_is_uploaded_and_replaced_by_the_form_and_a_bad_file_is_refused_there() {
    let app = TestApp::start_for(&[], &[("POLICY_LOAD_DEADLINE_MS", "60000")]).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.goto(&format!("{}/dashboard/policies", app.url)).await;
    page.shows("No policies of your own yet").await;
    let file = app.data().join("chosen.wasm");
    let good = [Guest::ranker(FIRST).module(), Guest::ranker(&format!("(nop) {FIRST}")).module()];
    for (n, module) in good.into_iter().enumerate() {
        std::fs::write(&file, module).unwrap();
        page.type_into("#upload-name", "mine").await;
        page.choose_file("#upload-file", &file).await;
        page.click("#upload button").await;
        page.until(&format!(
            "document.querySelector('[data-policy=mine]')?.innerText.includes('{} kept') === true",
            n + 1
        ))
        .await;
    }
    let shown = app.get("/policies").await.json()["available"][0].clone();
    assert_eq!((&shown["name"], &shown["usable"]), (&json!("mine"), &json!(true)), "{shown}");
    page.until("document.querySelector('#upload-name').value === ''").await;
    is_quiet(&page, &app);

    std::fs::write(&file, "no policy at all").unwrap();
    page.type_into("#upload-name", "other").await;
    page.choose_file("#upload-file", &file).await;
    page.click("#upload button").await;
    page.until("document.querySelector('.toast.bad') !== null").await;
    assert_eq!(page.eval("document.querySelector('[data-policy=other]')").await, serde_json::Value::Null);
    is_quiet_but_for(&page, &app, Some("/dashboard/api/policies/other"));
}

#[tokio::test]
async fn a_shadow_is_shown_with_how_often_it_agrees() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("next.wasm"), Guest::ranker(FIRST).module()).unwrap();
    let rules =
        json!({ "rules": [{ "policy": "native:round-robin", "shadow": { "policy": "wasm:next", "sample": 1 } }] });
    std::fs::write(directory.path().join("policies.json"), rules.to_string()).unwrap();
    let worker = TestWorker::start(&[]).await;
    let path = directory.path().to_str().unwrap();
    let env = [("POLICIES_DIR", path), ("POLICY_DEADLINE_MS", "1000"), ("POLICY_LOAD_DEADLINE_MS", "60000")];
    let app = TestApp::start_with(&[&worker], &env).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.goto(&format!("{}/dashboard/policies", app.url)).await;
    page.until("document.querySelector('#in-force h3 code')?.innerText === 'wasm:next'").await;
    let fact = |name: &str| {
        format!(
            "[...document.querySelectorAll('#in-force dt')].find((dt) => dt.innerText === '{name}')?.nextSibling.innerText"
        )
    };
    page.until(&format!("{} === '–'", fact("Agreement"))).await;
    // There is one worker to choose: both choose it.
    for n in 1..=2 {
        assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
        page.until(&format!("{} === '{n} / 0'", fact("Agreed / differed"))).await;
    }
    page.until(&format!("{} === '100 %'", fact("Agreement"))).await;
    page.until(&format!("{} === '100 %'", fact("Sample"))).await;
    is_quiet(&page, &app);
}

#[tokio::test]
async fn a_refused_policy_is_shown_with_its_reason_and_a_read_only_session_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("broken.wasm"), b"no policy at all").unwrap();
    let path = directory.path().to_str().unwrap();
    let app = TestApp::start_for(&[], &[("POLICIES_DIR", path), ("DASHBOARD_KEY", READ_ONLY_KEY)]).await;
    let page = Page::open().await;
    page.log_in(&app, READ_ONLY_KEY).await;
    page.goto(&format!("{}/dashboard/policies", app.url)).await;
    page.until("document.querySelector('[data-policy=broken] .refused') !== null").await;
    assert_eq!(page.eval("document.querySelectorAll('main button, #upload').length").await, 0);
    is_quiet(&page, &app);
}
