//! Clients that leave, give up or are sent away: with a key they can come back.

use serde_json::json;

use super::{LONG, error, occupy, queued, refused, runs, send};
use crate::harness::{TestApp, TestWorker, until};

#[tokio::test]
async fn a_task_whose_client_leaves_runs_all_the_same() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start(&[&worker]).await;
    let running = TestApp::call("sleep", &json!({ "ms": 1500 }));
    let waiting = TestApp::call("hello", &json!({ "name": "patience" }));
    let leave = async {
        until("it runs", || async { worker.started() == 1 }).await;
        let gone = async { queued(&app, 1).await };
        tokio::select! { () = gone => {}, answer = send(&app, "waits", &waiting) => panic!("{answer:?}") }
    };
    tokio::select! { () = leave => {}, answer = send(&app, "runs", &running) => panic!("{answer:?}") }
    let (first, second) = tokio::join!(send(&app, "runs", &running), send(&app, "waits", &waiting));
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(second.json()["result"]["message"], "Hello patience!");
    assert_eq!(runs(&worker), [first.task_id(), second.task_id()], "each ran once");
}

#[tokio::test]
async fn a_timeout_is_of_one_client_and_the_task_waits_on() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let app = TestApp::start(&[&worker]).await;
    occupy(&app, &worker, 3_000).await;
    let mut task = TestApp::call("hello", &json!({}));
    task["options"] = json!({ "timeoutMs": 300 });
    let (one, two) = tokio::join!(send(&app, "k", &task), send(&app, "k", &task));
    let id = one.task_id();
    assert_eq!((error(&one), error(&two)), (refused(504, "timeout", &id), refused(504, "timeout", &id)));
    assert_eq!(app.get(&format!("/tasks/{id}")).await.json()["state"], "queued");
    assert_eq!(app.ended(&id).await["state"], "completed");
    let again = send(&app, "k", &task).await;
    assert_eq!((again.status, again.task_id()), (200, id));
}

#[tokio::test]
async fn a_timeout_of_the_run_is_the_end_of_the_task() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut task = TestApp::call("sleep", &json!({ "ms": 60_000 }));
    task["options"] = json!({ "timeoutMs": 300 });
    let first = send(&app, "k", &task).await;
    let id = first.task_id();
    assert_eq!(error(&first), refused(504, "timeout", &id));
    assert_eq!(app.ended(&id).await["code"], "timeout");
    assert_eq!(error(&send(&app, "k", &task).await), refused(504, "timeout", &id));
    assert_eq!(worker.started(), 1);
}

#[tokio::test]
async fn a_client_without_a_worker_can_come_back_when_there_is_one() {
    let app = TestApp::start_for(&[], &[("NO_WORKER_TIMEOUT", "300")]).await;
    let hello = TestApp::call("hello", &json!({}));
    let (one, two) = tokio::join!(send(&app, "k", &hello), send(&app, "k", &hello));
    let id = one.task_id();
    assert_eq!((error(&one), error(&two)), (refused(503, "no_worker", &id), refused(503, "no_worker", &id)));
    assert!(one.header("retry-after").is_some() && two.header("retry-after").is_some());
    let worker = TestWorker::start(&[]).await;
    std::fs::write(app.workers_file(), json!([worker.url]).to_string()).unwrap();
    assert_eq!(app.ended(&id).await["state"], "completed");
    let again = send(&app, "k", &hello).await;
    assert_eq!((again.status, again.task_id()), (200, id));
}

#[tokio::test]
async fn a_drain_sends_those_away_who_wait_and_answers_whose_task_runs() {
    let worker = TestWorker::start(&["--slots", "1"]).await;
    let mut app = TestApp::start_with(&[&worker], &[("LOG_LEVEL", "debug"), ("QUEUE", "memory")]).await;
    let (running, waiting) = (TestApp::call("sleep", &json!({ "ms": 2_000 })), TestApp::call("hello", &json!({})));
    let first = async { send(&app, "runs", &running).await };
    let others = async {
        until("it runs", || async { worker.started() == 1 }).await;
        let begin = async {
            queued(&app, 1).await;
            let repeats = || async { app.lines().iter().filter(|line| line.contains("repeated task=")).count() };
            until("both have joined", || async { repeats().await == 2 }).await;
            app.terminate();
        };
        tokio::join!(send(&app, "runs", &running), send(&app, "waits", &waiting), send(&app, "waits", &waiting), begin)
    };
    let all = async { tokio::join!(first, others) };
    let (first, (beside, waited, joined, ())) = tokio::time::timeout(LONG, all).await.unwrap();
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(error(&beside), refused(503, "shutting_down", &first.task_id()));
    assert_eq!(error(&waited), refused(503, "shutting_down", &waited.task_id()));
    assert_eq!(error(&joined), refused(503, "shutting_down", &waited.task_id()));
    assert!(app.exited().await.success());
    until("the log says what is lost", || async { app.lines().iter().any(|line| line.contains("dropped=1")) }).await;
}

#[tokio::test]
async fn a_retry_answers_all_who_wait() {
    let mut worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("NO_WORKER_TIMEOUT", "1m")]).await;
    let task = TestApp::call("sleep", &json!({ "ms": 1_000 }));
    let restart = async {
        until("it runs", || async { worker.started() == 1 }).await;
        let port = worker.port().to_owned();
        worker.kill().await;
        TestWorker::start_on(&port, &[]).await
    };
    let all = async { tokio::join!(send(&app, "k", &task), send(&app, "k", &task), restart) };
    let (one, two, anew) = tokio::time::timeout(LONG, all).await.unwrap();
    assert_eq!((one.status, two.status, &one.body), (200, 200, &two.body));
    assert_eq!(runs(&anew), [one.task_id()]);
    assert_eq!(two.task_id(), one.task_id());
}
