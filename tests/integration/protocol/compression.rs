//! Compressed answers.

use std::time::Duration;

use async_compression::tokio::bufread::GzipDecoder;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::send;
use crate::harness::{TestApp, TestWorker};

#[tokio::test]
async fn large_answers_are_compressed_for_who_accepts_it() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let big = TestApp::call("big", &json!({ "bytes": 100_000 }));
    let plain = app.submit(&big).await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
    assert_eq!(plain.header("content-length"), Some(plain.body.len().to_string().as_str()));
    assert!(plain.body.len() > 100_000);

    let compressed = send(app.task(&big).header("accept-encoding", "br;q=0.5, gzip")).await;
    assert_eq!((compressed.status, compressed.header("content-encoding")), (200, Some("gzip")));
    assert!(compressed.header("vary").unwrap().eq_ignore_ascii_case("accept-encoding"));
    assert!(compressed.header("x-task-id").is_some());
    assert!(compressed.body.len() < 10_000);
    let mut decoded = Vec::new();
    GzipDecoder::new(compressed.body.as_slice()).read_to_end(&mut decoded).await.unwrap();
    assert_eq!(decoded, plain.body);

    let two_lines = app.task(&big).header("accept-encoding", "br").header("accept-encoding", "gzip");
    assert_eq!(send(two_lines).await.header("content-encoding"), Some("gzip"));

    for accepted in ["gzip;q=0", "identity", "br"] {
        let answer = send(app.task(&big).header("accept-encoding", accepted)).await;
        assert_eq!((answer.header("content-encoding"), &answer.body), (None, &plain.body), "{accepted}");
    }
    let small = send(app.task(&TestApp::call("hello", &json!({}))).header("accept-encoding", "gzip")).await;
    assert_eq!((small.header("content-encoding"), small.json()["success"].clone()), (None, json!(true)));
}

#[tokio::test]
async fn a_stream_comes_chunk_by_chunk_even_to_who_accepts_gzip() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    // The second line is a minute away: what arrives before was not held back.
    let mut body = TestApp::call("countdown", &json!({ "from": 1, "ms": 60_000 }));
    body["mode"] = json!("stream");
    let mut response = app.task(&body).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(response.headers().get("content-encoding"), None);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let chunk = tokio::time::timeout(Duration::from_secs(30), response.chunk()).await.expect("not held back");
    assert_eq!(chunk.unwrap().unwrap(), "1\n");

    let path = format!("/tasks/{}", response.headers()["x-task-id"].to_str().unwrap());
    assert_eq!(app.get(&path).await.json()["state"], "running", "the worker is still at it");
    drop(response);
    let ended: Value = app.get(&format!("{path}?wait=60s")).await.json();
    assert_eq!((&ended["state"], &ended["code"]), (&json!("cancelled"), &json!("client_gone")));
}
