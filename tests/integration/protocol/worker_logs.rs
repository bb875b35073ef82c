//! `GET /dashboard/api/workers/<base64 of the address>/logs`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;

use super::{error, refused, send};
use crate::harness::app::client;
use crate::harness::{Recorder, TestApp, TestWorker, until};

fn path(name: &str) -> String {
    format!("/dashboard/api/workers/{name}/logs")
}

#[tokio::test]
async fn the_logs_of_a_worker_are_its_own() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    app.submit(&TestApp::call("fail", &json!({ "message": "a trace of it", "status": 422 }))).await;
    let answer = app.get(&path(&STANDARD.encode(&worker.url))).await;
    assert_eq!(answer.status, 200);
    let logs = answer.json()["logs"].as_array().unwrap().clone();
    assert!(logs.iter().any(|line| line.as_str().unwrap().ends_with("Failed: a trace of it")), "{logs:?}");

    let keyless = client().get(format!("{}{}", app.url, path(&STANDARD.encode(&worker.url))));
    assert_eq!(error(&send(keyless).await), refused(401, "unauthorized"));
}

#[tokio::test]
async fn the_address_is_taken_in_every_base64() {
    let worker = Recorder::start().await;
    // Its base64 has characters in which the two alphabets differ, and is padded.
    let url = ["", "a", "aa"]
        .map(|filler| format!("{}/~~~ÿÿÿ{filler}", worker.url))
        .into_iter()
        .find(|url| STANDARD.encode(url).ends_with('='))
        .unwrap();
    let app = TestApp::start_for(&[&url], &[]).await;
    let standard = STANDARD.encode(&url);
    assert!(standard.contains('/') && standard.contains('+'), "{standard}");
    for name in [
        standard.replace('/', "%2F"),
        standard.replace('/', "%2f").replace('+', "%2B").replace('=', "%3D"),
        STANDARD_NO_PAD.encode(&url).replace('/', "%2F"),
        URL_SAFE.encode(&url),
        URL_SAFE_NO_PAD.encode(&url),
    ] {
        let answer = app.get(&path(&name)).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "logs": ["a line of the worker"] })), "{name}");
    }
    let mixed = standard.replacen('/', "_", 1).replace('/', "%2F");
    for name in [standard, mixed, STANDARD.encode("http://unlisted"), url.replace('/', "%2F"), "*".into(), "%FF".into()]
    {
        assert_eq!(error(&app.get(&path(&name)).await), refused(404, "not_found"), "{name}");
    }
}

#[tokio::test]
async fn a_worker_that_gives_no_logs_is_a_bad_gateway() {
    let (stranger, mut dead) = (TestWorker::start(&["--lb-auth-key", "another"]).await, TestWorker::start(&[]).await);
    dead.kill().await;
    let app = TestApp::start_for(&[&stranger.url, &dead.url], &[]).await;
    until("both are listed", || async { app.workers().await.len() == 2 }).await;
    for worker in [&stranger, &dead] {
        let answer = app.get(&path(&URL_SAFE_NO_PAD.encode(&worker.url))).await;
        assert_eq!(error(&answer), refused(502, "worker_unreachable"));
    }
}
