//! `/bull` in a browser.

use serde_json::json;

use super::pages::{LIVE, READ_ONLY_KEY, is_quiet};
use crate::harness::{LB_KEY, Page, Redis, TestApp, TestWorker, WORKER_KEY, with};

async fn failed(app: &TestApp) -> String {
    let id = app.accept(&with(TestApp::call("fail", &json!({})), json!({ "options": { "attempts": 1 } }))).await;
    assert_eq!(app.ended(&id).await["state"], "failed");
    id
}

#[tokio::test]
async fn queues_are_live_paused_and_lead_to_their_jobs() {
    live_paused_and_leading_to_jobs(&[]).await;
}

#[tokio::test]
async fn queues_are_live_paused_and_lead_to_their_jobs_on_redis() {
    let redis = Redis::start().await;
    live_paused_and_leading_to_jobs(&redis.env(&[])).await;
}

async fn live_paused_and_leading_to_jobs(env: &[(&str, &str)]) {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], env).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.click("nav a[href='/bull']").await;
    page.until("document.querySelector('[data-queue=\"tasks.default.1\"]') !== null").await;
    page.until(LIVE).await;
    assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
    page.until("document.querySelector('.states .completed b')?.innerText === '1'").await;
    page.click("[aria-label='Pause tasks.default.1']").await;
    page.until("document.querySelector('[aria-label=\"Resume tasks.default.1\"]') !== null").await;
    assert_eq!(app.get("/lanes").await.json()[0]["paused"], true);
    page.click("[data-queue] a").await;
    page.until("location.pathname === '/bull/queue/tasks.default.1'").await;
    page.shows("Paused: what waits stays").await;
    let waits = app.accept(&TestApp::call("hello", &json!({}))).await;
    page.until(&format!("document.querySelector('[data-job=\"{waits}\"]') !== null")).await;
    page.click("#pause-queue").await;
    assert_eq!(app.ended(&waits).await["state"], "completed");
    page.until(&format!("document.querySelector('[data-job=\"{waits}\"] .tone')?.innerText === 'completed'")).await;
    page.click(&format!("[data-job='{waits}'] .name a")).await;
    page.shows("Hello World!").await;
    is_quiet(&page, &app);
}

#[tokio::test]
async fn jobs_are_retried_removed_searched_and_each_says_what_became_of_it() {
    retried_removed_and_searched(&[]).await;
}

#[tokio::test]
async fn jobs_are_retried_removed_searched_and_each_says_what_became_of_it_on_redis() {
    let redis = Redis::start().await;
    retried_removed_and_searched(&redis.env(&[])).await;
}

async fn retried_removed_and_searched(env: &[(&str, &str)]) {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], env).await;
    let (one, other) = (failed(&app).await, failed(&app).await);
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.goto(&format!("{}/bull/queue/tasks.default.1?status=failed", app.url)).await;
    page.until("document.querySelectorAll('[data-job]').length === 2").await;
    page.eval("window.confirm = () => true; 0").await;
    page.click(&format!("[data-job='{one}'] [data-action=retry]")).await;
    page.until(&format!("document.querySelector('[data-job=\"{one}\"]')?.innerText.includes('2 attempts') === true"))
        .await;

    // One is taken away meanwhile: the other is done all the same, and each has its own answer.
    for id in [&one, &other] {
        page.click(&format!("[aria-label='Choose {id}']")).await;
    }
    page.click("[data-each=promote]").await;
    page.shows("2 refused (see each)").await;
    page.until("document.querySelectorAll('.job .outcome.problem').length === 2").await;
    page.type_into("input[type=search]", &other).await;
    page.until("document.querySelectorAll('[data-job]').length === 1").await;
    page.click(&format!("[data-job='{other}'] [data-action=clean]")).await;
    page.shows("No job has that in its id or error").await;
    assert_eq!(app.get(&format!("/tasks/{other}")).await.status, 404);
    page.goto(&format!("{}/bull/queue/tasks.default.1?status=failed", app.url)).await;
    page.eval("window.confirm = () => true; 0").await;
    page.click("#clean-all").await;
    page.shows("Removed: 1").await;
    page.shows("No failed jobs").await;
}

#[tokio::test]
async fn a_job_is_added_from_the_page_and_promoted_and_an_active_one_cancelled() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.goto(&format!("{}/bull/queue/tasks.default.1", app.url)).await;
    page.shows("No jobs yet").await;
    page.eval("document.querySelector('details').open = true; document.querySelector('#add-data').value = '{\"ms\":600000}'; 0").await;
    page.type_into("#add-name", "sleep").await;
    page.type_into("#add-options", "{\"delay\":3600000}").await;
    page.type_into("#add-key", WORKER_KEY).await;
    page.click("#add button[type=submit]").await;
    page.click("[data-action=promote]").await;
    page.until("document.querySelector('.job .tone')?.innerText === 'active'").await;
    page.click("[data-action=cancel]").await;
    page.until("document.querySelector('.job .why')?.innerText === 'cancelled'").await;
    assert_eq!(app.get("/tasks").await.json()["tasks"][0]["state"], "cancelled");
    is_quiet(&page, &app);
}

#[tokio::test]
async fn a_read_only_session_sees_the_queues_and_has_no_buttons() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("DASHBOARD_KEY", READ_ONLY_KEY)]).await;
    let id = failed(&app).await;
    let page = Page::open().await;
    page.log_in(&app, READ_ONLY_KEY).await;
    for path in ["", "/queue/tasks.default.1", &format!("/queue/tasks.default.1/{id}")] {
        page.goto(&format!("{}/bull{path}", app.url)).await;
        page.shows("failed").await;
        assert_eq!(
            page.eval(
                "[...document.querySelectorAll('main button')].filter((one) => one.closest('.paging') === null).length"
            )
            .await,
            0,
            "{path}"
        );
    }
    is_quiet(&page, &app);
}
