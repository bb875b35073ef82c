//! What a repeat gets, mode by mode.

use futures_util::future::join_all;
use serde_json::json;

use super::{call, error, refused, runs, send};
use crate::harness::{Recorder, TestApp, TestWorker, until};

#[tokio::test]
async fn a_sync_repeat_gets_the_answer_of_the_first_whatever_it_was() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_ATTEMPTS", "1")]).await;
    for (key, status, task) in [
        ("good", 200, TestApp::call("hello", &json!({ "name": "twice" }))),
        ("bad-input", 400, TestApp::call("hello", &json!(7))),
        ("bad-luck", 500, TestApp::call("fail", &json!({ "message": "no luck" }))),
    ] {
        let first = send(&app, key, &task).await;
        let begun = worker.started();
        let again = send(&app, key, &task).await;
        assert_eq!((first.status, again.status), (status, status), "{key}");
        assert_eq!((&again.body, again.task_id()), (&first.body, first.task_id()), "{key}");
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert!(again.header("server-timing").is_some());
        assert_eq!(worker.started(), begun, "{key} ran once");
    }
}

#[tokio::test]
async fn many_at_once_are_one_task_and_all_get_its_answer() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let task = TestApp::call("sleep", &json!({ "ms": 500 }));
    let answers = join_all((0..12).map(|_| send(&app, "together", &task))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (200, &answers[0].body));
        assert_eq!(answer.task_id(), answers[0].task_id());
    }
    assert_eq!(runs(&worker), [answers[0].task_id()]);
}

#[tokio::test]
async fn async_and_webhook_repeats_are_answered_as_the_first() {
    let (worker, receiver) = (TestWorker::start(&[]).await, Recorder::start().await);
    let app = TestApp::start(&[&worker]).await;
    let mut hook = call("hello", "webhook", &json!({}));
    hook["webhook"] = json!({ "url": receiver.url });
    for (key, status, task) in [("later", 202, call("hello", "async", &json!({}))), ("hook", 200, hook)] {
        let first = send(&app, key, &task).await;
        let during = send(&app, key, &task).await;
        app.ended(&first.task_id()).await;
        for answer in [&first, &during, &send(&app, key, &task).await] {
            assert_eq!((answer.status, &answer.body), (status, &first.body));
            assert_eq!((answer.task_id(), answer.header("location")), (first.task_id(), first.header("location")));
        }
    }
    assert_eq!(worker.started(), 2);
    assert_eq!(receiver.take().len(), 1, "posted once");
}

#[tokio::test]
async fn a_stream_is_for_its_first_client_only() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let task = call("countdown", "stream", &json!({ "from": 1, "ms": 60_000 }));
    let mut stream = app.task(&task).header("idempotency-key", "s").send().await.unwrap();
    let id = stream.headers()["x-task-id"].to_str().unwrap().to_owned();
    stream.chunk().await.unwrap();
    let again = send(&app, "s", &task).await;
    assert_eq!((error(&again), again.task_id()), (refused(409, "stream_in_progress", &id), id.clone()));

    // A stream is nothing to come back to: it ends with its client.
    drop(stream);
    assert_eq!(app.ended(&id).await["code"], "client_gone");
    assert_eq!(error(&send(&app, "s", &task).await), refused(409, "stream_finished", &id));
    assert_eq!(worker.started(), 1);
}

#[tokio::test]
async fn a_result_that_was_kept_cut_cannot_be_had_again() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("RESULT_MAX_BYTES", "100b")]).await;
    let task = TestApp::call("big", &json!({ "bytes": 200_000 }));
    let first = send(&app, "big", &task).await;
    assert_eq!((first.status, first.body.len() > 200_000), (200, true), "whole to its first client");
    let id = first.task_id();
    until("it is stored", || async { app.ended(&id).await["resultTruncated"] == true }).await;
    assert_eq!(error(&send(&app, "big", &task).await), refused(502, "result_too_large", &id));
}
