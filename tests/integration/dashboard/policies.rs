//! The page of the policies.

use serde_json::json;

use super::pages::{LIVE, READ_ONLY_KEY, is_quiet};
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
