//! The pages of tasks.

use reqwest::Method;
use serde_json::{Value, json};

use super::pages::{LIVE, READ_ONLY_KEY, is_quiet, is_quiet_but_for};
use super::session::Session;
use crate::harness::{Answer, LB_KEY, Page, Redis, TestApp, TestWorker, WORKER_KEY, until, with};

fn sleep(ms: u64) -> Value {
    TestApp::call("sleep", &json!({ "ms": ms }))
}

/// What the list says of a task.
fn row(id: &str) -> String {
    format!("document.querySelector('[data-task=\"{id}\"]')?.innerText")
}

async fn open(app: &TestApp, path: &str) -> Page {
    let page = Page::open().await;
    page.log_in(app, LB_KEY).await;
    page.goto(&format!("{}{path}", app.url)).await;
    page.until(LIVE).await;
    page
}

#[tokio::test]
async fn a_running_task_is_seen_in_the_list_and_cancelled_and_run_again_from_its_page() {
    seen_cancelled_and_run_again(&[]).await;
}

#[tokio::test]
async fn a_running_task_is_seen_in_the_list_and_cancelled_and_run_again_from_its_page_on_redis() {
    let redis = Redis::start().await;
    seen_cancelled_and_run_again(&redis.env(&[])).await;
}

async fn seen_cancelled_and_run_again(env: &[(&str, &str)]) {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], env).await;
    let page = open(&app, "/dashboard/tasks").await;
    page.shows("No tasks yet").await;
    let id = app.accept(&sleep(60_000)).await;
    page.until(&format!("{}?.includes('running') === true", row(&id))).await;

    page.click(&format!("[data-task='{id}'] a")).await;
    page.until(&format!("location.pathname === '/dashboard/tasks/{id}'")).await;
    page.until("document.querySelector('#state .tone')?.innerText === 'running'").await;
    page.until("document.querySelectorAll('.gantt li').length > 0").await;
    page.shows("ranked it 1 of 1").await;
    page.until("document.querySelector('#input pre')?.innerText.includes('60000') === true").await;
    page.click("#actions [data-action=cancel]").await;
    page.until("document.querySelector('#state .tone')?.innerText === 'cancelled'").await;
    assert_eq!(app.shown(&id).await["state"], "cancelled");

    page.click("#actions [data-action=retry]").await;
    page.until("document.querySelector('#state .tone')?.innerText === 'running'").await;
    page.until("document.querySelectorAll('.choice').length === 2").await;
    is_quiet(&page, &app);
}

#[tokio::test]
async fn a_delayed_task_gets_another_priority_and_runs_when_it_is_promoted() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let hello = TestApp::call("hello", &json!({ "name": "Browser" }));
    let id = app.accept(&with(hello, json!({ "options": { "delayMs": 3_600_000 } }))).await;
    let page = open(&app, &format!("/dashboard/tasks/{id}")).await;
    page.shows("its time has not come").await;
    page.until("document.querySelector('#actions input') !== null").await;
    page.eval("document.querySelector('#actions input').value = 7").await;
    page.click("#actions form button").await;
    until("it has the priority", || async { app.shown(&id).await["priority"] == 7 }).await;
    page.click("#actions [data-action=promote]").await;
    page.until("document.querySelector('#state .tone')?.innerText === 'completed'").await;
    page.shows("Hello Browser!").await;
    is_quiet(&page, &app);
}

#[tokio::test]
async fn filters_and_pages_stand_in_the_address() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut first = String::new();
    for n in 0..60 {
        let id = app.accept(&TestApp::call("hello", &json!({ "name": n }))).await;
        if n == 0 {
            first = id;
        }
    }
    let fails = with(TestApp::call("fail", &json!({ "message": "no luck" })), json!({ "options": { "attempts": 1 } }));
    let failed = app.accept(&fails).await;
    app.ended(&failed).await;
    let page = open(&app, "/dashboard/tasks").await;
    page.until("document.querySelectorAll('[data-task]').length === 50").await;
    page.click("#paging button:last-child").await;
    page.until(&format!("{} !== undefined", row(&first))).await;
    page.until("document.querySelectorAll('[data-task]').length === 11").await;
    assert_eq!(page.eval("new URLSearchParams(location.search).has('cursor')").await, true);
    page.eval("history.back()").await;
    page.until("document.querySelectorAll('[data-task]').length === 50").await;

    page.click("#states [data-state=failed]").await;
    page.type_into("#filters [name=q]", "no luck").await;
    page.until("document.querySelectorAll('[data-task]').length === 1").await;
    page.until("location.search.includes('state=failed') && location.search.includes('q=no+luck')").await;
    let address = page.eval("location.href").await;
    page.goto(address.as_str().unwrap()).await;
    page.until(&format!("document.querySelectorAll('[data-task]').length === 1 && {} !== undefined", row(&failed)))
        .await;
    assert_eq!(page.eval("document.querySelector('#filters [name=q]').value").await, "no luck");
    page.until("document.querySelector('[data-state=failed]')?.ariaPressed === 'true'").await;
    assert_eq!(page.eval("document.querySelector('#as-csv').href.includes('q=no+luck&state=failed')").await, true);
    page.eval("document.querySelector('#filters [name=q]').value = ''").await;
    page.type_into("#filters [name=q]", "nothing like it").await;
    page.shows("No task matches").await;
    is_quiet(&page, &app);
}

#[tokio::test]
async fn many_are_picked_and_each_says_what_became_of_it() {
    let app = TestApp::start_for(&[], &[]).await;
    let waiting = app.accept(&sleep(1)).await;
    let ended = app.accept(&sleep(1)).await;
    assert_eq!(app.request("DELETE", &format!("/tasks/{ended}")).send().await.unwrap().status().as_u16(), 200);
    let page = open(&app, "/dashboard/tasks").await;
    page.until("document.querySelectorAll('[data-task]').length === 2").await;
    page.click("#all").await;
    page.shows("2 selected").await;
    // Nothing is put above what somebody has picked.
    let new = app.accept(&sleep(1)).await;
    page.until("!document.querySelector('#newer').hidden").await;
    assert_eq!(page.eval(&format!("{} === undefined", row(&new))).await, true);

    page.click("#bulk [data-action=cancel]").await;
    page.shows("Cancel 2 tasks?").await;
    page.click("dialog button[value=yes]").await;
    page.shows("Cancel: 1 of 2 done, 1 not").await;
    page.shows("The task has ended already").await;
    assert_eq!(app.shown(&waiting).await["state"], "cancelled");
    page.until(&format!("{} !== undefined", row(&new))).await;

    page.click(&format!("[data-task='{ended}'] input")).await;
    page.click("#bulk [data-action=remove]").await;
    page.click("dialog button[value=yes]").await;
    page.shows("Remove: 1 of 1 done").await;
    page.until(&format!("{} === undefined", row(&ended))).await;
    assert_eq!(app.get(&format!("/tasks/{ended}")).await.status, 404);
    assert_eq!(app.get(&format!("/tasks/{waiting}")).await.status, 200);
    is_quiet_but_for(&page, &app, Some(&format!("/dashboard/api/tasks/{ended}")));
}

#[tokio::test]
async fn a_task_is_submitted_by_the_form_and_duplicated_with_its_own_key() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let page = open(&app, "/dashboard/tasks/new").await;
    page.until("document.querySelector('#function') !== null").await;
    page.eval("{ const choose = document.querySelector('#function'); choose.value = 'hello'; choose.dispatchEvent(new Event('change')); }").await;
    page.type_into("#try-param-name", "Form").await;
    page.eval("document.querySelector('#new details').open = true").await;
    page.type_into("#tenant", "acme").await;
    page.type_into("#worker-key", WORKER_KEY).await;
    page.click("#new button[type=submit]").await;
    page.click("#answer a").await;
    page.until("location.pathname.startsWith('/dashboard/tasks/0')").await;
    page.shows("Hello Form!").await;
    page.click("#actions [data-action=duplicate]").await;
    page.until("document.querySelector('#try-param-name')?.value === 'Form'").await;
    assert_eq!(page.eval("document.querySelector('#tenant').value").await, "acme");
    assert_eq!(page.eval("document.querySelector('#worker-key')").await, Value::Null);
    page.eval("document.querySelector('#try-param-name').value = ''").await;
    page.type_into("#try-param-name", "Twin").await;
    page.click("#new button[type=submit]").await;
    page.shows("Hello Twin!").await;
    assert_eq!(app.get("/tasks?tenant=acme").await.json()["tasks"].as_array().unwrap().len(), 2);
    is_quiet(&page, &app);
}

#[tokio::test]
async fn a_read_only_session_sees_tasks_and_can_do_nothing_to_them() {
    let app = TestApp::start_for(&[], &[("DASHBOARD_KEY", READ_ONLY_KEY)]).await;
    let id = app.accept(&sleep(1)).await;
    let page = Page::open().await;
    page.log_in(&app, READ_ONLY_KEY).await;
    page.goto(&format!("{}/dashboard/tasks", app.url)).await;
    page.until(&format!("{} !== undefined", row(&id))).await;
    assert_eq!(page.eval("document.querySelectorAll('main [type=checkbox], main a[href$=new]').length").await, 0);
    page.goto(&format!("{}/dashboard/tasks/{id}", app.url)).await;
    page.shows("no worker serves its lane").await;
    assert_eq!(page.eval("document.querySelectorAll('main button:not(.small), main form').length").await, 0);
    page.goto(&format!("{}/dashboard/tasks/new", app.url)).await;
    page.shows("A read-only session cannot submit tasks").await;
    is_quiet(&page, &app);
    let session = Session::begin(&app, READ_ONLY_KEY).await;
    for path in ["retry", "promote", "duplicate"] {
        assert_eq!(session.act(&format!("/dashboard/api/tasks/{id}/{path}")).await.status, 403, "{path}");
    }
    let export = session.get("/dashboard/api/tasks/export").await;
    assert_eq!((export.status, export.text().lines().count()), (200, 1));
}

#[tokio::test]
async fn the_filtered_list_is_a_file() {
    let app = TestApp::start_for(&[], &[]).await;
    for n in 0..520 {
        let tenant = if n % 2 == 0 { "=1+1" } else { "b" };
        app.accept(&with(sleep(1), json!({ "options": { "tenant": tenant } }))).await;
    }
    let file = async |query: &str| app.get(&format!("/dashboard/api/tasks/export{query}")).await;
    let all = file("").await;
    assert_eq!(all.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(all.header("content-disposition"), Some(r#"attachment; filename="tasks.ndjson""#));
    let lines: Vec<Value> = all.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 520, "more than are read at once");
    let newest = app.get("/tasks?limit=1").await.json();
    assert_eq!(lines[0], newest["tasks"][0]);
    let csv = file("?format=csv&tenant=%3D1%2B1&state=queued").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let (head, rows) = csv.text().split_once("\r\n").unwrap();
    assert!(head.starts_with("taskId,state,group,"), "{head}");
    assert_eq!(rows.lines().count(), 260);
    assert!(rows.lines().all(|row| row.contains(r#","'=1+1","#)), "{rows}");
    for query in ["?format=xml", "?nothing=1", "?limit=5"] {
        assert_eq!(file(query).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn what_was_sent_is_shown_but_for_what_may_be_secret() {
    let app = TestApp::start_for(&[], &[]).await;
    let fields = json!({
        "group": "nobody", "mode": "webhook", "webhook": { "url": "http://h/x", "headers": { "authorization": "hush" } },
        "options": { "tenant": "t" }, "more": "hush",
    });
    let id = app.submit(&with(sleep(5), fields)).await.task_id();
    let session = Session::begin(&app, LB_KEY).await;
    let path = format!("/dashboard/api/tasks/{id}/sent");
    let answer = Answer::of(session.request(Method::GET, &path).send().await.unwrap()).await;
    assert!(!answer.text().contains("hush") && !answer.text().contains(WORKER_KEY), "{}", answer.text());
    let sent = answer.json();
    assert_eq!((&sent["input"], &sent["webhook"]), (&json!({ "ms": 5 }), &json!("http://h/x")));
    assert_eq!((&sent["options"], &sent["keyReadable"]), (&json!({ "tenant": "t" }), &json!(true)));
    assert_eq!(session.get("/dashboard/api/tasks/none/sent").await.status, 404);
    assert_eq!(session.get("/dashboard/tasks/none").await.status, 404);
}
