//! The workers file changes while the balancer runs.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{TestApp, TestWorker, until};

/// Runs tasks until the worker has had one more.
async fn gets_tasks(app: &TestApp, worker: &TestWorker) {
    let before = worker.started();
    until("it gets a task", || async {
        app.submit(&TestApp::call("hello", &json!({}))).await.status == 200 && worker.started() > before
    })
    .await;
}

#[tokio::test]
async fn an_added_worker_gets_tasks_and_a_removed_one_none() {
    let [first, second] = [TestWorker::start(&[]).await, TestWorker::start(&[]).await];
    let app = TestApp::start(&[&first]).await;
    let added = Instant::now();
    app.list(&[&first.url, &second.url]);
    gets_tasks(&app, &second).await;
    // It is about half a second on an idle machine.
    assert!(added.elapsed() < Duration::from_secs(5), "{:?}", added.elapsed());

    app.list(&[&second.url]);
    until("it is gone", || async { app.workers().await.len() == 1 }).await;
    let before = first.started();
    let hello = TestApp::call("hello", &json!({}));
    let answers = join_all((0..20).map(|_| app.submit(&hello))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(first.started(), before);
}

#[tokio::test]
async fn a_task_in_a_removed_worker_runs_to_its_end_there() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let client = app.spawn(&TestApp::call("sleep", &json!({ "ms": 1000 })));
    worker.has_started(1).await;
    app.list(&[]);
    until("it is gone", || async { app.workers().await.is_empty() }).await;
    assert_eq!(client.await.unwrap().status, 200);
}

#[tokio::test]
async fn the_file_may_be_edited_in_place() {
    let [first, second] = [TestWorker::start(&[]).await, TestWorker::start(&[]).await];
    let app = TestApp::start(&[&first]).await;
    std::fs::write(app.workers_file(), json!([first.url, second.url]).to_string()).unwrap();
    gets_tasks(&app, &second).await;
    std::fs::write(app.workers_file(), json!([format!("{}/", second.url)]).to_string()).unwrap();
    until("the first is gone", || async { app.workers().await.len() == 1 }).await;
    assert_eq!(app.workers().await[0]["url"], second.url);
}

#[tokio::test]
async fn a_broken_file_keeps_the_last_good_list_and_is_an_error_in_the_log() {
    let [first, second] = [TestWorker::start(&[]).await, TestWorker::start(&[]).await];
    let app = TestApp::start(&[&first]).await;
    for broken in ["[\"http://127.0.0.1:1\"", "{}", "[\"not a url\"]", ""] {
        let errors = app.lines_with("ERROR").len();
        std::fs::write(app.workers_file(), broken).unwrap();
        until("an error in the log", || async { app.lines_with("ERROR").len() > errors }).await;
        assert_eq!(app.workers().await.len(), 1, "{broken}");
        assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200, "{broken}");
    }
    std::fs::remove_file(app.workers_file()).unwrap();
    assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
    app.list(&[&second.url]);
    gets_tasks(&app, &second).await;
}
