//! `/bull/api`: lanes as queues of bull-board.

use insta::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use super::pages::READ_ONLY_KEY;
use super::session::{Session, client};
use crate::harness::{Answer, LB_KEY, TestApp, TestWorker, WORKER_KEY, until, with};

const QUEUE: &str = "/bull/api/queues/tasks.default.1";

async fn put(app: &TestApp, path: &str) -> Answer {
    Answer::of(app.request("PUT", &format!("{QUEUE}{path}")).send().await.unwrap()).await
}

async fn queue(app: &TestApp, status: &str) -> Value {
    let path = format!("/bull/api/queues?activeQueue=tasks.default.1&status={status}&page=1&jobsPerPage=10");
    app.get(&path).await.json()["queues"][0].clone()
}

/// A task that waits for an hour.
async fn delayed(app: &TestApp) -> String {
    app.accept(&with(TestApp::call("hello", &json!({})), json!({ "options": { "delayMs": 3_600_000 } }))).await
}

async fn failed(app: &TestApp) -> String {
    let id = app.accept(&with(TestApp::call("fail", &json!({})), json!({ "options": { "attempts": 1 } }))).await;
    assert_eq!(app.ended(&id).await["state"], "failed");
    id
}

fn ids(queue: &Value) -> Vec<&str> {
    queue["jobs"].as_array().unwrap().iter().filter_map(|job| job["id"].as_str()).collect()
}

fn shaped(name: &str, body: &Value) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for field in ["id", "timestamp", "processedOn", "processedBy", "finishedOn"] {
        settings.add_dynamic_redaction(&format!(".**.{field}"), |value, _| {
            if value.is_nil() { value } else { "[differs]".into() }
        });
    }
    settings.add_redaction(".**.stacktrace[]", "[attempt]");
    settings.add_dynamic_redaction(
        ".**.failedReason",
        |value, _| {
            if value.is_nil() { value } else { "[reason]".into() }
        },
    );
    settings.bind(|| insta::assert_json_snapshot!(name, body));
}

#[tokio::test]
async fn queues_and_jobs_have_the_shapes_of_bull_board() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let done = app.accept(&TestApp::call("hello", &json!({ "name": "board" }))).await;
    assert_eq!(app.ended(&done).await["state"], "completed");
    failed(&app).await;
    let later = delayed(&app).await;
    assert_eq!(put(&app, "/pause").await.status, 200);
    let plain = app.accept(&TestApp::call("hello", &json!({}))).await;
    let urgent = app.accept(&with(TestApp::call("hello", &json!({})), json!({ "priority": 2 }))).await;

    let all = queue(&app, "latest").await;
    shaped("bull_queues", &all);
    for (status, id) in [("delayed", &later), ("waiting", &plain), ("prioritized", &urgent), ("completed", &done)] {
        let one = queue(&app, status).await;
        assert_eq!(ids(&one), [id], "{status}");
        assert_eq!(one["counts"][status], 1, "{status}");
        let job = app.get(&format!("{QUEUE}/{id}")).await.json();
        assert_eq!((&job["status"], &job["job"]["id"]), (&json!(status), &json!(id)));
    }
    shaped("bull_job", &app.get(&format!("{QUEUE}/{done}")).await.json());
    assert_eq!(ids(&queue(&app, "waiting-children").await), [] as [&str; 0]);
    let second = app.get("/bull/api/queues?activeQueue=tasks.default.1&page=2&jobsPerPage=2").await.json();
    assert_eq!(second["queues"][0]["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(second["queues"][0]["pagination"], json!({ "pageCount": 3, "range": { "start": 2, "end": 3 } }));
    let found = app.get(&format!("/bull/api/queues?activeQueue=tasks.default.1&q={later}")).await.json();
    assert_eq!(ids(&found["queues"][0]), [&later]);
    assert!(app.get(&format!("{QUEUE}/{done}/logs")).await.json().is_array());
    assert_eq!(app.get(&format!("{QUEUE}/{done}/flow")).await.json()["isFlowNode"], false);
    assert_eq!(app.get(&format!("{QUEUE}/workers")).await.json()["workers"][0]["id"], worker.url);
    assert_eq!(app.get("/bull/api/job-schedulers").await.json(), json!({ "schedulers": [] }));
}

#[tokio::test]
async fn what_has_ended_is_counted_by_the_minute_the_hour_and_the_day() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let done = app.accept(&TestApp::call("sleep", &json!({ "ms": 40 }))).await;
    assert_eq!(app.ended(&done).await["state"], "completed");
    failed(&app).await;
    // A task is counted a moment after it can be seen to have ended.
    until("both are counted", || async {
        let metrics = app.get(&format!("{QUEUE}/metrics")).await.json();
        (&metrics["completed"]["meta"]["count"], &metrics["failed"]["meta"]["count"]) == (&json!(1), &json!(1))
    })
    .await;
    let metrics = app.get(&format!("{QUEUE}/metrics")).await.json();
    assert!(
        metrics["failed"]["data"].is_array() && metrics["failed"]["meta"]["prevTS"].as_i64().unwrap() > 0,
        "{metrics}"
    );
    let last =
        |points: &Value| points.as_array().unwrap().iter().map(|point| point["value"].as_u64().unwrap()).sum::<u64>();
    for granularity in ["hour", "day"] {
        let range = format!("from=0&to=1e14&granularity={granularity}");
        let all = app.get(&format!("/bull/api/metrics/history?{range}")).await.json();
        assert_eq!((last(&all["completed"]), last(&all["failed"]), all.get("queueage")), (1, 1, None), "{all}");
        let one =
            app.get(&format!("/bull/api/metrics/history?{range}&metric=failed&queue=tasks.default.1")).await.json();
        assert_eq!((last(&one["failed"]), one.get("completed")), (1, None), "{one}");
        let none =
            app.get(&format!("/bull/api/metrics/history?{range}&metric=queueage&queue=tasks.none.1")).await.json();
        assert_eq!(none, json!({ "queueage": [] }));
        let times =
            app.get(&format!("/bull/api/metrics/latency?metric=runtime&granularity={granularity}")).await.json();
        assert_eq!(times[0]["count"], 2, "{times}");
        assert!(times[0]["values"]["99"].as_f64().unwrap() >= 40.0, "{times}");
    }
    let waits = app.get("/bull/api/metrics/latency?metric=waittime&granularity=range&percentiles=50,99.9").await.json();
    assert_eq!((&waits[0]["count"], waits[0]["values"].as_object().unwrap().len()), (&json!(2), 2), "{waits}");
    for wrong in [
        "history",
        "history?from=2&to=1",
        "history?from=0&to=1&metric=x",
        "history?from=0&to=1&granularity=range",
        "latency",
    ] {
        assert_eq!(app.get(&format!("/bull/api/metrics/{wrong}")).await.status, 400, "{wrong}");
    }
    let usage = app.get("/bull/api/metrics/history/usage").await.json();
    assert!(usage["keys"].is_u64() && usage["tiers"]["minute"]["bytes"].is_u64(), "{usage}");
    let purge = |body: Value| app.request("POST", "/bull/api/metrics/history/purge").json(&body);
    let purged = Answer::of(purge(json!({ "queue": "tasks.default.1" })).send().await.unwrap()).await;
    assert!(purged.json()["keysDeleted"].is_u64() && purged.json()["fieldsDeleted"].is_u64(), "{}", purged.text());
    assert_eq!(purge(json!({ "before": "yesterday" })).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn actions_on_jobs_do_what_they_say() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let id = failed(&app).await;
    assert_eq!(put(&app, &format!("/{id}/retry")).await.status, 200);
    assert_eq!(app.ended(&id).await["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(put(&app, &format!("/{id}/clean")).await.status, 204);
    assert_eq!(app.get(&format!("/tasks/{id}")).await.status, 404);

    let later = delayed(&app).await;
    assert_eq!(put(&app, &format!("/{later}/retry")).await.status, 409);
    assert_eq!(put(&app, &format!("/{later}/promote")).await.status, 200);
    assert_eq!(app.ended(&later).await["state"], "completed");
    assert_eq!(put(&app, &format!("/{later}/promote")).await.status, 409);
    let waits = delayed(&app).await;
    assert_eq!(put(&app, &format!("/{waits}/clean")).await.status, 204);
    assert_eq!(app.get(&format!("/tasks/{waits}")).await.status, 404);

    let runs = app.accept(&TestApp::call("sleep", &json!({ "ms": 600_000 }))).await;
    until("it runs", || async { app.shown(&runs).await["state"] == "running" }).await;
    assert_eq!(ids(&queue(&app, "active").await), [&runs]);
    let active = put(&app, &format!("/{runs}/clean")).await;
    assert_eq!((active.status, &active.json()["code"]), (409, &json!("JOB_IS_ACTIVE")));
    assert_eq!(put(&app, &format!("/{runs}/cancel")).await.status, 200);
    assert_eq!(app.ended(&runs).await["state"], "cancelled");
    let job = app.get(&format!("{QUEUE}/{runs}")).await.json();
    assert_eq!((&job["status"], &job["job"]["failedReason"]), (&json!("failed"), &json!("cancelled")));
}

#[tokio::test]
async fn actions_on_queues_do_what_they_say() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let (one, other) = (failed(&app).await, failed(&app).await);
    assert_eq!(put(&app, "/retry/failed").await.json(), json!({ "retried": 2, "skipped": 0 }));
    for id in [&one, &other] {
        assert_eq!(app.ended(id).await["attempts"].as_array().unwrap().len(), 2);
    }
    assert_eq!(put(&app, "/clean/failed").await.json(), json!({ "cleaned": 2, "skipped": 0 }));
    let later = delayed(&app).await;
    assert_eq!(put(&app, "/promote").await.json(), json!({ "promoted": 1, "skipped": 0 }));
    assert_eq!(app.ended(&later).await["state"], "completed");

    assert_eq!(Answer::of(app.request("PUT", "/bull/api/queues/pause").send().await.unwrap()).await.status, 200);
    assert_eq!(queue(&app, "latest").await["isPaused"], true);
    let waits = app.accept(&TestApp::call("hello", &json!({}))).await;
    let stays = delayed(&app).await;
    assert_eq!(put(&app, "/empty").await.json(), json!({ "cancelled": 1, "skipped": 0 }));
    assert_eq!(app.ended(&waits).await["state"], "cancelled");
    assert_eq!(put(&app, "/clean/delayed").await.json(), json!({ "cleaned": 1, "skipped": 0 }));
    assert_eq!(app.get(&format!("/tasks/{stays}")).await.status, 404);
    assert_eq!(put(&app, "/resume").await.status, 200);

    let body = json!({ "name": "hello", "data": { "name": "board" }, "options": { "priority": 3 } });
    let add = || app.request("POST", &format!("{QUEUE}/add")).json(&body);
    assert_eq!(add().send().await.unwrap().status(), 400, "no worker key");
    let added = Answer::of(add().header("x-wr-auth", WORKER_KEY).send().await.unwrap()).await;
    let id = added.json()["job"]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.ended(&id).await["state"], "completed");
    let job = app.get(&format!("{QUEUE}/{id}")).await.json()["job"].clone();
    assert_eq!((&job["data"]["input"], &job["opts"]["priority"]), (&json!({ "name": "board" }), &json!(3)));
}

#[tokio::test]
async fn what_is_not_there_or_not_possible_is_said_in_the_form_of_bull_board() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let task = app.accept(&TestApp::call("hello", &json!({}))).await;
    for (method, path, status, code) in [
        ("GET", "/bull/api/queues/tasks.none.1/metrics".to_owned(), 404, "QUEUE_NOT_FOUND"),
        ("PUT", "/bull/api/queues/jobs/pause".to_owned(), 404, "QUEUE_NOT_FOUND"),
        ("GET", format!("{QUEUE}/7"), 404, "JOB_NOT_FOUND"),
        ("PUT", format!("{QUEUE}/018c0000-0000-7000-8000-000000000000/retry"), 404, "JOB_NOT_FOUND"),
        ("PUT", format!("{QUEUE}/retry/active"), 400, "BAD_REQUEST"),
        ("PUT", format!("{QUEUE}/clean/active"), 409, "JOB_IS_ACTIVE"),
        ("PUT", format!("{QUEUE}/concurrency"), 405, "NOT_SUPPORTED"),
        ("PATCH", format!("{QUEUE}/{task}/update-data"), 405, "NOT_SUPPORTED"),
        ("DELETE", format!("{QUEUE}/pause"), 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/bull/api/redis/stats".to_owned(), 403, "REDIS_STATS_HIDDEN"),
        ("GET", "/bull/api/nothing".to_owned(), 404, "NOT_FOUND"),
    ] {
        let answer = Answer::of(app.request(method, &path).send().await.unwrap()).await;
        let body = answer.json();
        assert_eq!((answer.status, &body["error"]["key"]), (status, &json!(code)), "{path}: {body}");
        assert!(body["message"].is_string() && body["error"]["options"].is_object(), "{body}");
    }
}

#[tokio::test]
async fn only_who_may_act_acts_and_nobody_sees_it_without_a_session_or_the_key() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("DASHBOARD_KEY", READ_ONLY_KEY)]).await;
    let pause = format!("{QUEUE}/pause");
    for path in ["/bull", "/bull/queue/tasks.default.1"] {
        let answer = client().get(format!("{}{path}", app.url)).send().await.unwrap();
        assert_eq!(answer.status(), 303, "{path}");
    }
    let bare = Answer::of(client().get(format!("{}/bull/api/queues", app.url)).send().await.unwrap()).await;
    assert_eq!((bare.status, &bare.json()["code"]), (401, &json!("UNAUTHORIZED")));
    assert!(bare.header("content-security-policy").is_some());

    let read_only = Session::begin(&app, READ_ONLY_KEY).await;
    assert_eq!(read_only.get("/bull/api/queues").await.json()["queues"][0]["readOnlyMode"], true);
    let refused = read_only.send(Method::PUT, &pause).await;
    assert_eq!((refused.status, &refused.json()["code"]), (405, &json!("READ_ONLY")));
    let full = Session::begin(&app, LB_KEY).await;
    let without_token = full.request(Method::PUT, &pause).send().await.unwrap();
    assert_eq!(without_token.status(), 403);
    assert_eq!(queue(&app, "latest").await["isPaused"], false);
    assert_eq!(full.send(Method::PUT, &pause).await.status, 200);
    assert_eq!(queue(&app, "latest").await["isPaused"], true);
}

#[tokio::test]
async fn the_queues_and_the_dashboard_are_switched_off_by_themselves() {
    let app = TestApp::start_for(&[], &[("BULL_BOARD_ENABLED", "false")]).await;
    for path in ["/bull", "/bull/api/queues", "/bull/queue/tasks.default.1"] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    assert!(!app.get("/dashboard").await.text().contains("href=\"/bull\""));
    let app = TestApp::start_for(&[], &[("DASHBOARD_ENABLED", "false")]).await;
    assert_eq!(app.get("/dashboard").await.status, 404);
    assert_eq!(app.get("/dashboard/api/workers").await.status, 404);
    let page = app.get("/bull").await;
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("href=\"/dashboard\"") && !page.text().contains("href=\"/dashboard/logs\""));
    let landing = app.get("/").await;
    assert!(landing.text().contains("href=\"/bull\"") && !landing.text().contains("href=\"/dashboard\""));
    for next in ["", "/dashboard", "/dashboard/logs", "https://evil.example"] {
        let form = client().post(format!("{}/dashboard/login", app.url)).body(format!("key={LB_KEY}&next={next}"));
        let answer = Answer::of(form.send().await.unwrap()).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/bull")), "{next}");
    }
}
