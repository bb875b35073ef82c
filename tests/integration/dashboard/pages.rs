//! The pages in a browser.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{LB_KEY, Page, Redis, Say, StubWorker, TestApp, TestWorker, WORKER_KEY, with};

pub(super) const READ_ONLY_KEY: &str = "read-only-key-of-the-tests";
pub(super) const LIVE: &str = "document.querySelector('#live-state')?.dataset.state === 'live'";

/// What the page shows in the row of the lane `default / 1`, at that column from the right.
fn lane_cell(from_right: usize) -> String {
    format!("[...document.querySelectorAll('[data-lane=\"default/1\"] td')].at(-{from_right}).innerText")
}

pub(super) fn is_quiet(page: &Page, app: &TestApp) {
    is_quiet_but_for(page, app, None);
}

/// The same, where one answer is known to be an error: browsers complain of those by themselves.
pub(super) fn is_quiet_but_for(page: &Page, app: &TestApp, path: Option<&str>) {
    let complaints = page.complaints().into_iter();
    let others = complaints.filter(|complaint| path.is_none_or(|path| !complaint.contains(path)));
    assert_eq!(others.collect::<Vec<_>>(), [] as [&str; 0]);
    for url in page.requests() {
        // Browsers have pictures of their own for some fields; those are asked of nobody.
        let is_picture = url.starts_with("data:image/svg+xml;");
        assert!(url.starts_with(&app.url) || is_picture, "asked for {url}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_said_to_be_wrong_and_the_right_one_leads_back() {
    let app = TestApp::start_for(&[], &[]).await;
    let page = Page::open().await;
    page.goto(&format!("{}/dashboard/logs", app.url)).await;
    page.type_into("#key", "wrong").await;
    page.click("button[type=submit]").await;
    page.until("document.querySelector('[role=alert]') !== null").await;
    page.shows("neither the balancer").await;
    page.type_into("#key", LB_KEY).await;
    page.click("button[type=submit]").await;
    page.until("location.pathname === '/dashboard/logs'").await;
    page.until(LIVE).await;
    page.shows("listening").await;
    page.click("form[action$=logout] button").await;
    page.until("location.pathname === '/dashboard/login'").await;
}

#[tokio::test]
async fn a_task_is_seen_at_once_and_a_lane_is_paused_and_resumed() {
    seen_paused_and_resumed(&[]).await;
}

#[tokio::test]
async fn a_task_is_seen_at_once_and_a_lane_is_paused_and_resumed_on_redis() {
    let redis = Redis::start().await;
    seen_paused_and_resumed(&redis.env(&[])).await;
}

async fn seen_paused_and_resumed(env: &[(&str, &str)]) {
    let worker = TestWorker::start(&["--slots", "2"]).await;
    let app = TestApp::start_with(&[&worker], env).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.until(LIVE).await;
    page.shows("All is well").await;
    assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
    page.until(&format!("{} === '1'", lane_cell(2))).await;

    page.click("[data-lane='default/1'] button").await;
    page.until("document.querySelector('[data-lane=\"default/1\"] button').innerText === 'Resume'").await;
    assert_eq!(app.get("/lanes").await.json()[0]["paused"], true);
    let waiting = app.accept(&TestApp::call("hello", &json!({}))).await;
    page.shows("default / 1 is paused").await;
    page.click("[data-lane='default/1'] button").await;
    assert_eq!(app.ended(&waiting).await["state"], "completed");
    page.until(&format!("{} === '2'", lane_cell(2))).await;
    is_quiet(&page, &app);
}

/// Chance has a busy machine miss some: of five most must be in time, and if they are not, of five others.
#[tokio::test]
async fn a_task_is_seen_within_a_second_of_its_end() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.until(LIVE).await;
    let mut done = 0;
    for _ in 0..4 {
        let mut took = Vec::new();
        for _ in 0..5 {
            assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
            let ended = std::time::Instant::now();
            done += 1;
            page.until(&format!("{} === '{done}'", lane_cell(2))).await;
            took.push(ended.elapsed());
        }
        took.sort();
        if took[2] <= Duration::from_millis(1_100) {
            return;
        }
    }
    panic!("tasks are seen late");
}

#[tokio::test]
async fn a_read_only_session_sees_all_and_has_no_buttons_to_act() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("DASHBOARD_KEY", READ_ONLY_KEY)]).await;
    let page = Page::open().await;
    page.log_in(&app, READ_ONLY_KEY).await;
    page.shows("Read-only").await;
    page.until("document.querySelector('[data-lane=\"default/1\"]') !== null").await;
    assert_eq!(page.eval("document.querySelectorAll('[data-lane] button').length").await, 0);
    page.goto(&format!("{}/dashboard/workers", app.url)).await;
    page.click(".card a").await;
    page.shows("A read-only session cannot run tasks").await;
    assert_eq!(page.eval("document.querySelector('#try')").await, Value::Null);
    is_quiet(&page, &app);
}

#[tokio::test]
async fn a_new_worker_and_a_killed_one_are_seen() {
    let (mut first, second) = tokio::join!(TestWorker::start(&[]), TestWorker::start(&[]));
    let app = TestApp::start_for(&[], &[]).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.shows("Add your first worker").await;
    page.goto(&format!("{}/dashboard/workers", app.url)).await;
    page.shows("Add your first worker").await;
    app.list(&[&first.url]);
    page.until("document.querySelectorAll('.card').length === 1").await;
    page.until("document.querySelector('.card .tone').innerText === 'Ready'").await;
    app.list(&[&first.url, &second.url]);
    page.until("document.querySelectorAll('.card .tone.ok').length === 2").await;
    first.kill().await;
    page.until("document.querySelectorAll('.card .tone.bad').length === 1").await;
    page.goto(&format!("{}/dashboard", app.url)).await;
    let host = first.url.strip_prefix("http://").unwrap();
    page.until(&format!("document.querySelector('#attention .notice.bad')?.innerText.includes('{host}') === true"))
        .await;
    is_quiet(&page, &app);
}

#[tokio::test]
async fn a_function_is_tried_from_the_workers_page() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.goto(&format!("{}/dashboard/workers", app.url)).await;
    page.click(".card a").await;
    page.until("document.querySelector('#try-function') !== null").await;
    page.eval("{ const choose = document.querySelector('#try-function'); choose.value = 'hello'; choose.dispatchEvent(new Event('change')); }").await;
    page.type_into("#try-param-name", "Browser").await;
    page.type_into("#try-key", WORKER_KEY).await;
    page.click("#try button[type=submit]").await;
    page.shows("Hello Browser!").await;
    page.until("document.querySelector('#tasks tbody tr')?.innerText.includes('completed') === true").await;
    assert_eq!(
        page.eval("document.documentElement.outerHTML").await.as_str().map(|html| html.contains(WORKER_KEY)),
        Some(false)
    );
    is_quiet(&page, &app);
}

#[tokio::test]
async fn a_page_says_that_it_is_cut_off_and_comes_back_by_itself() {
    let mut app = TestApp::start_for(&[], &[("PORT", &free_port())]).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.until(LIVE).await;
    app.kill().await;
    page.shows("Reconnecting").await;
    app.restart().await;
    page.until(LIVE).await;
}

/// A port that was free a moment ago.
fn free_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[tokio::test]
async fn a_log_is_filtered_and_held_back() {
    let app = TestApp::start_for(&[], &[]).await;
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.goto(&format!("{}/dashboard/logs?q=worker%20list", app.url)).await;
    page.until("document.querySelectorAll('.log p').length === 1").await;
    page.shows("worker list").await;
    page.click("#pause").await;
    app.list(&["http://127.0.0.1:9"]);
    page.shows("Paused").await;
    page.until("/[1-9]\\d* new/.test(document.querySelector('#log-note').innerText)").await;
    assert_eq!(page.eval("document.querySelectorAll('.log p').length").await, 1);
    page.click("#pause").await;
    page.until("document.querySelectorAll('.log p').length >= 2").await;
    is_quiet(&page, &app);
}

#[tokio::test]
async fn no_page_is_wider_than_a_phone_or_has_a_serious_barrier() {
    let axe = std::fs::read_to_string("target/npm/node_modules/axe-core/axe.min.js");
    let axe = axe.expect("axe-core is there: `make test` installs it, scripts/axe.sh does");
    let (worker, twin) = tokio::join!(TestWorker::start(&[]), TestWorker::start(&[]));
    let odd = StubWorker::start(2, &[Say::Nothing]).await;
    let gone = "http://127.0.0.1:9";
    let app = TestApp::start_for(&[&worker.url, &twin.url, &odd.url, gone], &[]).await;
    app.sees(&worker.url, "ready").await;
    app.sees(&odd.url, "ready").await;
    let task = app.accept(&TestApp::call("hello", &json!({}))).await;
    assert_eq!(app.ended(&task).await["state"], "completed");
    let waiting = app.accept(&with(TestApp::call("hello", &json!({})), json!({ "group": "nobody" }))).await;
    let failing = json!({ "message": "no luck" });
    let failed = app.accept(&with(TestApp::call("fail", &failing), json!({ "options": { "attempts": 1 } }))).await;
    assert_eq!(app.ended(&failed).await["state"], "failed");
    let page = Page::open().await;
    for path in ["/", "/dashboard/login"] {
        page.goto(&format!("{}{path}", app.url)).await;
        barriers(&page, &axe, path).await;
    }
    page.log_in(&app, LB_KEY).await;
    let name = |url: &str| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(url)
    };
    for path in [
        "/dashboard".to_owned(),
        "/dashboard/workers".to_owned(),
        "/dashboard/workers?view=table".to_owned(),
        format!("/dashboard/workers/{}", name(&worker.url)),
        format!("/dashboard/workers/{}", name(&odd.url)),
        "/dashboard/tasks".to_owned(),
        "/dashboard/tasks?worker=http%3A%2F%2Fh&within=between".to_owned(),
        format!("/dashboard/tasks/{waiting}"),
        format!("/dashboard/tasks/{failed}"),
        "/dashboard/tasks/new".to_owned(),
        format!("/dashboard/tasks/new?from={failed}"),
        "/dashboard/policies".to_owned(),
        "/dashboard/logs".to_owned(),
        "/bull".to_owned(),
        "/bull/queue/tasks.default.1".to_owned(),
        format!("/bull/queue/tasks.default.1/{task}"),
        format!("/bull/queue/tasks.default.1/{failed}"),
    ] {
        page.goto(&format!("{}{path}", app.url)).await;
        page.until(LIVE).await;
        barriers(&page, &axe, &path).await;
    }
    // The odd one gives no logs.
    is_quiet_but_for(&page, &app, Some(&format!("/dashboard/api/workers/{}/logs", name(&odd.url))));
}

/// Looks at the page on a phone and on a desk, light and dark.
async fn barriers(page: &Page, axe: &str, path: &str) {
    for (width, scheme) in [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")] {
        page.resize(width, 900).await;
        page.scheme(scheme).await;
        let wide = page.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(wide, 0, "{path} is wider than {width}");
        page.eval(&format!("{axe}; 0")).await;
        let found = page
            .eval(
                "axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations
                    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
                    .map(({ id, nodes }) => id + ': ' + nodes.map(({ html, any }) => html + ' ' + (any[0]?.message ?? '')).join(' | ')))",
            )
            .await;
        assert_eq!(found, json!([]), "{path} at {width}, {scheme}");
    }
}
