//! Answers of workers, and the balancer's own in their place.

use serde_json::{Value, json};

use super::{error, refused, send};
use crate::harness::{Answer, Recorder, TestApp, TestWorker, until};

/// `name;dur=milliseconds` for the three of them.
fn assert_timed(answer: &Answer) {
    let timing = answer.header("server-timing").expect("server-timing");
    let parts: Vec<(&str, f64)> = timing
        .split(", ")
        .map(|part| part.split_once(";dur=").unwrap())
        .map(|(name, duration)| (name, duration.parse().unwrap()))
        .collect();
    assert_eq!(parts.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["queue", "policy", "worker"]);
    assert!(parts.iter().all(|(_, duration)| (0.0..60_000.0).contains(duration)), "{timing}");
}

#[tokio::test]
async fn task_answers_name_the_task_and_say_what_took_how_long() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let answer = app.submit(&TestApp::call("sleep", &json!({ "ms": 50 }))).await;
    assert_timed(&answer);
    let timing = answer.header("server-timing").unwrap();
    let slept: f64 = timing.rsplit('=').next().unwrap().parse().unwrap();
    assert!(slept >= 50.0, "{timing}");
    for (function, input) in [("fail", json!({ "status": 422 })), ("hello", json!(7))] {
        let answer = app.submit(&TestApp::call(function, &input)).await;
        assert!(answer.status >= 400);
        assert_timed(&answer);
        assert_eq!(app.get(&format!("/tasks/{}", answer.task_id())).await.json()["taskId"], answer.task_id());
    }
}

#[tokio::test]
async fn a_4xx_of_the_worker_is_the_answer_at_once_in_sync_and_stream() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    for mode in ["sync", "stream"] {
        for (function, input, key, status, body) in [
            ("hello", json!({}), "wrong", 401, json!({ "error": "Unauthorized" })),
            ("hello", json!(7), "", 400, json!({ "success": false, "error": "input must be an object" })),
            ("hello", json!([]), "", 400, json!({ "success": false, "error": "input must be an object" })),
            (
                "hello",
                json!({ "name": 1 }),
                "",
                400,
                json!({ "success": false, "error": "Invalid type of input.name: expected string" }),
            ),
            ("fail", json!({ "status": 418, "message": "teapot" }), "", 418, json!({ "error": "teapot" })),
        ] {
            if mode == "stream" && function == "fail" {
                continue;
            }
            let mut task = TestApp::call(function, &input);
            task["mode"] = json!(mode);
            let mut request = app.task(&task);
            if !key.is_empty() {
                request = app.request("POST", "/task").header("x-wr-auth", key).json(&task);
            }
            let answer = send(request).await;
            assert_eq!((answer.status, answer.json()), (status, body), "{mode} {function} {input}");
            let shown = app.ended(&answer.task_id()).await;
            assert_eq!((&shown["state"], &shown["code"]), (&json!("failed"), &json!("rejected_by_worker")));
            assert_eq!(shown["attempts"].as_array().unwrap().len(), 1, "not retried");
        }
    }
    let mut task = TestApp::call("hello", &json!({}));
    task["mode"] = json!("stream");
    let answer = app.submit(&task).await;
    let body = json!({ "success": false, "error": "Function hello does not support streaming" });
    assert_eq!((answer.status, answer.json()), (400, body));
}

#[tokio::test]
async fn the_last_5xx_of_the_worker_is_the_answer_once_the_attempts_are_used_up() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_ATTEMPTS", "2"), ("TASK_BACKOFF", "1")]).await;
    let answer = app.submit(&TestApp::call("fail", &json!({ "message": "no luck" }))).await;
    assert_eq!((answer.status, answer.json()), (500, json!({ "success": false, "error": "no luck" })));
    assert_timed(&answer);
    assert_eq!(worker.started(), 2);
    let answer = app.submit(&TestApp::call("fail", &json!({ "status": 429, "message": "slow down" }))).await;
    assert_eq!((answer.status, answer.json()), (429, json!({ "error": "slow down" })));
    let answer = app.submit(&TestApp::call("fail", &json!({ "times": 1 }))).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "success": true, "result": { "calls": 2 } })));
    let mut task = TestApp::call("fail", &json!({ "times": 2 }));
    task["options"] = json!({ "attempts": 3 });
    assert_eq!(app.submit(&task).await.status, 200, "options.attempts wins");
}

#[tokio::test]
async fn an_error_in_stream_mode_keeps_its_status_and_body() {
    let worker = Recorder::worker(&["f"]).await;
    let app = TestApp::start_for(&[&worker.url], &[("TASK_ATTEMPTS", "2"), ("TASK_BACKOFF", "1")]).await;
    app.ready(1).await;
    for (status, runs) in [(422, 1), (429, 2), (500, 2), (503, 2)] {
        let mut task = TestApp::call("f", &json!({ "status": status }));
        task["mode"] = json!("stream");
        let answer = app.submit(&task).await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "error": "as asked for" })));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(worker.take().len(), runs, "runs of {status}");
    }
}

#[tokio::test]
async fn an_unknown_function_is_a_404_in_a_lane_with_a_worker() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let unknown = |mode: &str| {
        let mut task = TestApp::call("nothing", &json!({}));
        task["mode"] = json!(mode);
        task
    };
    for mode in ["sync", "stream", "async"] {
        let answer = app.submit(&unknown(mode)).await;
        assert_eq!(error(&answer), refused(404, "unknown_function"), "{mode}");
        assert_eq!(answer.header("x-task-id"), None);
    }
    worker.switch("/off").await;
    until("it is off", || async { app.workers().await[0]["status"] == "maintenance" }).await;
    assert_eq!(error(&app.submit(&unknown("sync")).await), refused(404, "unknown_function"), "in any status");
}

#[tokio::test]
async fn what_no_worker_answered_is_a_5xx_with_the_task() {
    let mut worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("NO_WORKER_TIMEOUT", "50")]).await;
    let with = |mut task: Value, field: &str, value: Value| {
        task[field] = value;
        task
    };
    let hello = TestApp::call("hello", &json!({}));
    let long = TestApp::call("sleep", &json!({ "ms": 60_000 }));
    for mode in ["sync", "stream"] {
        let task = with(with(hello.clone(), "group", json!("nobody")), "mode", json!(mode));
        let answer = app.submit(&task).await;
        assert_eq!(error(&answer), refused(503, "no_worker"), "{mode}");
        assert_eq!((answer.header("retry-after"), &answer.json()["taskId"]), (Some("1"), &json!(answer.task_id())));
    }
    let other_contract = app.submit(&with(hello, "contract", json!(2))).await;
    assert_eq!(error(&other_contract), refused(503, "no_worker"));

    let answer = app.submit(&with(long.clone(), "options", json!({ "timeoutMs": 50 }))).await;
    assert_eq!((error(&answer), &answer.json()["taskId"]), (refused(504, "timeout"), &json!(answer.task_id())));

    let begun = worker.started();
    let task = with(long, "options", json!({ "attempts": 1 }));
    let (answer, ()) = tokio::join!(app.submit(&task), async {
        until("it runs", || async { worker.started() > begun }).await;
        worker.kill().await;
    });
    assert_eq!(
        (error(&answer), &answer.json()["taskId"]),
        (refused(502, "worker_unreachable"), &json!(answer.task_id()))
    );
}
