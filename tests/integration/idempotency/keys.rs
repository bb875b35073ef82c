//! Keys: what they may be, what they stand for, and when they are free again.

use serde_json::json;

use super::{call, error, refused, send};
use crate::harness::{Answer, LB_KEY, TestApp, TestWorker, app::client};

#[tokio::test]
async fn a_key_is_1_to_255_visible_ascii_characters() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let hello = TestApp::call("hello", &json!({}));
    for good in ["a", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &"~".repeat(255)] {
        assert_eq!(send(&app, good, &hello).await.status, 200, "{good}");
    }
    let bad: [&[u8]; 5] = [b"", b"a b", b"a\tb", "ä".as_bytes(), &[b'x'; 256]];
    for bad in bad {
        let answer = app.task(&hello).header("idempotency-key", bad).send().await.unwrap();
        let answer = error(&Answer::of(answer).await);
        assert_eq!(answer, (400, "invalid_idempotency_key".to_owned(), None), "{bad:?}");
    }
    let twice = app.task(&hello).header("idempotency-key", "a").header("idempotency-key", "a");
    assert_eq!(error(&Answer::of(twice.send().await.unwrap()).await).1, "invalid_idempotency_key");
}

#[tokio::test]
async fn another_body_or_worker_key_is_a_mismatch_that_names_the_task() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let text = r#"{"group":"default","contract":1,"function":"hello"}"#;
    let first = Answer::of(app.task_text(text).header("idempotency-key", "k").send().await.unwrap()).await;
    assert_eq!(first.status, 200);
    for other in [text.replace("hello", "echo"), text.replace(':', ": "), text.replace('}', r#","mode":"async"}"#)] {
        let answer = app.task_text(other.clone()).header("idempotency-key", "k").send().await.unwrap();
        let answer = error(&Answer::of(answer).await);
        assert_eq!(answer, refused(422, "idempotency_mismatch", &first.task_id()), "{other}");
    }
    let stranger = client().post(format!("{}/task", app.url)).header("authorization", LB_KEY);
    let stranger = stranger.header("x-wr-auth", "another").header("idempotency-key", "k");
    let answer = stranger.header("content-type", "application/json").body(text).send().await.unwrap();
    assert_eq!(error(&Answer::of(answer).await), refused(422, "idempotency_mismatch", &first.task_id()));
    assert_eq!(worker.started(), 1);
}

#[tokio::test]
async fn the_body_is_compared_as_it_is_after_decoding() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let text = r#"{"group":"default","contract":1,"function":"hello","priority":null}"#;
    let first = Answer::of(app.task_text(text).header("idempotency-key", "k").send().await.unwrap()).await;
    let mut encoder = async_compression::tokio::write::GzipEncoder::new(Vec::new());
    tokio::io::AsyncWriteExt::write_all(&mut encoder, text.as_bytes()).await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut encoder).await.unwrap();
    let again = app.task_text(encoder.into_inner()).header("content-encoding", "gzip");
    let again = Answer::of(again.header("idempotency-key", "k").send().await.unwrap()).await;
    assert_eq!((again.status, again.task_id()), (200, first.task_id()));
}

#[tokio::test]
async fn a_key_may_stand_in_the_options_instead() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut task = call("hello", "sync", &json!({}));
    task["options"] = json!({ "idempotencyKey": "k" });
    let first = app.submit(&task).await;
    assert_eq!((first.status, app.submit(&task).await.task_id()), (200, first.task_id()));
    assert_eq!(send(&app, "k", &task).await.task_id(), first.task_id(), "the same key");
    assert_eq!(error(&send(&app, "other", &task).await).1, "invalid_idempotency_key");
}

#[tokio::test]
async fn a_key_leaves_with_its_task() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("RETENTION_COUNT", "1")]).await;
    let hello = TestApp::call("hello", &json!({}));
    let first = send(&app, "k", &hello).await;
    assert_eq!(send(&app, "k", &hello).await.task_id(), first.task_id());
    assert_eq!(send(&app, "l", &hello).await.status, 200);
    assert_eq!(app.get(&format!("/tasks/{}", first.task_id())).await.status, 404);
    let anew = send(&app, "k", &hello).await;
    assert_eq!((anew.status, anew.task_id() == first.task_id()), (200, false));
    assert_eq!(worker.started(), 3);
}
