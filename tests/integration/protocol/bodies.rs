//! Request bodies: type, encoding, size.

use std::time::Duration;

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{HELLO, error_of, refused, send};
use crate::harness::{LB_KEY, Recorder, TestApp, TestWorker, WORKER_KEY};

/// In the three encodings that are taken.
async fn encoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    macro_rules! encode {
        ($encoder:ident) => {{
            let mut encoder = $encoder::new(Vec::new());
            encoder.write_all(body).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }};
    }
    match encoding {
        "gzip" => encode!(GzipEncoder),
        "deflate" => encode!(ZlibEncoder),
        _ => encode!(BrotliEncoder),
    }
}

/// What a client gets that sends all of this before it reads anything.
async fn raw(app: &TestApp, head: &str, body: &[u8]) -> String {
    let mut socket = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST /task HTTP/1.1\r\nhost: lb\r\ncontent-type: application/json\r\nconnection: close\r\n{head}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body).await.expect("the body is taken to its end");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("the answer arrives");
    answer
}

fn keys() -> String {
    format!("authorization: {LB_KEY}\r\nx-wr-auth: {WORKER_KEY}")
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    let app = TestApp::start(&[]).await;
    for body in ["", "{", "[]", "1", "null", "\"text\"", r#"{"group":"default",}"#, "{} {}"] {
        assert_eq!(error_of(app.task_text(body)).await, refused(400, "invalid_json"), "{body}");
    }
    let not_utf8 = app.task_text(b"{\"group\":\"\xff\"}".as_slice());
    assert_eq!(error_of(not_utf8).await, refused(400, "invalid_json"));
}

#[tokio::test]
async fn only_json_is_taken() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let task = || app.request("POST", "/task").header("x-wr-auth", WORKER_KEY).body(HELLO);
    for kind in ["application/json", "APPLICATION/JSON; charset=utf-8", "application/vnd.andera+json"] {
        assert_eq!(send(task().header("content-type", kind)).await.status, 200, "{kind}");
    }
    assert_eq!(error_of(task()).await, refused(415, "unsupported_media_type"));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let answer = error_of(task().header("content-type", kind)).await;
        assert_eq!(answer, refused(415, "unsupported_media_type"), "{kind}");
    }
}

#[tokio::test]
async fn encoded_bodies_are_decoded_and_other_encodings_refused() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let input = json!({ "n": "é".repeat(5_000) });
    let body = TestApp::call("echo", &input).to_string();
    for encoding in ["gzip", "deflate", "br"] {
        let body = encoded(encoding, body.as_bytes()).await;
        let answer = send(app.task_text(body.clone()).header("content-encoding", encoding.to_uppercase())).await;
        assert_eq!(answer.json()["result"], input, "{encoding}");
        let cut = app.task_text(body[..body.len() / 2].to_vec()).header("content-encoding", encoding);
        assert_eq!(error_of(cut).await, refused(400, "invalid_json"), "cut {encoding}");
        let garbage = app.task_text(HELLO).header("content-encoding", encoding);
        assert_eq!(error_of(garbage).await, refused(400, "invalid_json"), "not {encoding}");
    }
    assert_eq!(send(app.task_text(HELLO).header("content-encoding", "identity")).await.status, 200);
    for encoding in ["zstd", "compress", "gzip, br", "x"] {
        let answer = error_of(app.task_text(HELLO).header("content-encoding", encoding)).await;
        assert_eq!(answer, refused(415, "unsupported_media_type"), "{encoding}");
    }
}

#[tokio::test]
async fn the_limit_counts_after_decoding() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("REQUEST_BODY_LIMIT", "2kb")]).await;
    let padded = |length: usize| format!("{HELLO}{}", " ".repeat(length - HELLO.len()));
    assert_eq!(send(app.task_text(padded(2048))).await.status, 200, "the limit itself");
    assert_eq!(error_of(app.task_text(padded(2049))).await, refused(413, "body_too_large"));
    for encoding in ["gzip", "deflate", "br"] {
        for (length, status) in [(2048, 200), (2049, 413), (20_000_000, 413)] {
            let body = encoded(encoding, padded(length).as_bytes()).await;
            let answer = send(app.task_text(body).header("content-encoding", encoding)).await;
            assert_eq!(answer.status, status, "{length} bytes in {encoding}");
        }
    }
}

#[tokio::test]
async fn ten_megabytes_are_taken_by_default() {
    let worker = Recorder::worker(&["hello"]).await;
    let app = TestApp::start_for(&[&worker.url], &[]).await;
    app.ready(1).await;
    let padded = |length: usize| format!("{HELLO}{}", " ".repeat(length - HELLO.len()));
    let limit = 10 * 1024 * 1024;
    assert_eq!(send(app.task_text(padded(limit))).await.status, 200);
    assert_eq!(worker.first().await.body.len(), limit);
    assert_eq!(error_of(app.task_text(padded(limit + 1))).await, refused(413, "body_too_large"));
}

#[tokio::test]
async fn a_client_that_sends_all_of_a_refused_body_sees_the_answer() {
    let app = TestApp::start_for(&[], &[("REQUEST_BODY_LIMIT", "2kb")]).await;
    let length = 20_000_000;
    let body = vec![b' '; length];
    let answer = raw(&app, &format!("{}\r\ncontent-length: {length}", keys()), &body).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"), "{answer}");
    let answer = raw(&app, &format!("authorization: wrong\r\ncontent-length: {length}"), &body).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("unauthorized"), "{answer}");

    let mut chunked = Vec::new();
    for chunk in body.chunks(1 << 20) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = raw(&app, &format!("{}\r\ntransfer-encoding: chunked", keys()), &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"), "{answer}");
}

#[tokio::test]
async fn the_rest_of_a_refused_body_is_not_taken_for_a_request() {
    let app = TestApp::start_for(&[], &[]).await;
    let mut socket = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap();
    let request = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let head = "POST /task HTTP/1.1\r\nhost: x\r\nauthorization: wrong\r\ncontent-length: 20000\r\n\r\n";
    socket.write_all(format!("{head}{}", " ".repeat(1_000)).as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4_096];
    let read = socket.read(&mut buffer).await.unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 401 "));
    // Longer than a connection may be quiet before it is taken apart.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let _ = socket.write_all(request.as_bytes()).await;
    let answer = tokio::time::timeout(Duration::from_secs(4), socket.read(&mut buffer)).await;
    assert!(!matches!(answer, Ok(Ok(1..))), "{}", String::from_utf8_lossy(&buffer));
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_refused_unsent() {
    let app = TestApp::start_for(&[], &[("REQUEST_BODY_LIMIT", "2kb")]).await;
    let asked = format!("{}\r\nexpect: 100-continue\r\ncontent-length: 20000000", keys());
    let refused = tokio::time::timeout(Duration::from_secs(5), raw(&app, &asked, b""));
    let answer = refused.await.expect("the body that was not asked for is not waited for");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = raw(&app, &format!("{}\r\nexpect: 100-continue\r\ncontent-length: 2", keys()), b"{}").await;
    assert!(answer.starts_with("HTTP/1.1 100 ") && answer.contains("missing_field"), "{answer}");
}
