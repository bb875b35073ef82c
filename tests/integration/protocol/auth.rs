//! The load balancer's key.

use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;

use super::{HELLO, error, error_of, refused, send};
use crate::harness::app::client;
use crate::harness::{LB_KEY, TestApp, TestWorker, WORKER_KEY};

/// What answers 401 without the key.
const PROTECTED: [(&str, &str); 6] = [
    ("POST", "/task"),
    ("GET", "/logs"),
    ("GET", "/metrics"),
    ("GET", "/tasks/018c0000-0000-7000-8000-000000000000"),
    ("GET", "/dashboard/api/workers"),
    ("GET", "/dashboard/api/workers/aHR0cDovL2g/logs"),
];

/// A request with these headers alone.
fn bare(app: &TestApp, method: &str, path: &str, headers: &[(&'static str, &str)]) -> RequestBuilder {
    let request = client().request(method.parse().unwrap(), format!("{}{path}", app.url));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

#[tokio::test]
async fn nothing_protected_opens_without_the_key() {
    let app = TestApp::start(&[]).await;
    for (method, path) in PROTECTED {
        for headers in [vec![], vec![("authorization", "wrong")], vec![("authorization", WORKER_KEY)]] {
            let answer = send(bare(&app, method, path, &headers)).await;
            assert_eq!(error(&answer), refused(401, "unauthorized"), "{method} {path} {headers:?}");
            assert_eq!(answer.json()["error"], "Unauthorized");
        }
    }
}

#[tokio::test]
async fn the_key_opens_raw_and_as_bearer_in_either_header_and_authorization_wins() {
    let app = TestApp::start(&[]).await;
    let (upper, lower, mixed) = (format!("Bearer {LB_KEY}"), format!("bearer {LB_KEY}"), format!("BeArEr  {LB_KEY}"));
    for headers in [
        vec![("authorization", LB_KEY)],
        vec![("authorization", &upper)],
        vec![("authorization", &lower)],
        vec![("authorization", &mixed)],
        vec![("x-lb-auth", LB_KEY)],
        vec![("x-lb-auth", &lower)],
        vec![("authorization", LB_KEY), ("x-lb-auth", "wrong")],
        vec![("authorization", ""), ("x-lb-auth", LB_KEY)],
    ] {
        assert_eq!(send(bare(&app, "GET", "/logs", &headers)).await.status, 200, "{headers:?}");
    }
    let basic = format!("Basic {LB_KEY}");
    for headers in [
        vec![("authorization", "wrong"), ("x-lb-auth", LB_KEY)],
        vec![("authorization", &basic)],
        vec![("authorization", "Bearer")],
        vec![("x-lb-auth", &LB_KEY[1..])],
    ] {
        assert_eq!(send(bare(&app, "GET", "/logs", &headers)).await.status, 401, "{headers:?}");
    }
    let latin = HeaderValue::from_bytes(b"cl\xe9").unwrap();
    let request = bare(&app, "GET", "/logs", &[("x-lb-auth", LB_KEY)]).header("authorization", latin);
    assert_eq!(send(request).await.status, 401, "a key that is no ASCII is a key all the same");
}

#[tokio::test]
async fn the_key_comes_before_everything_about_the_body() {
    let app = TestApp::start_for(&[], &[("REQUEST_BODY_LIMIT", "1kb")]).await;
    for (content_type, encoding, body) in [
        ("application/json", "identity", "{".to_owned()),
        ("text/plain", "identity", HELLO.to_owned()),
        ("application/json", "zip", HELLO.to_owned()),
        ("application/json", "identity", " ".repeat(1_000_000)),
    ] {
        let request = bare(&app, "POST", "/task", &[("authorization", "wrong"), ("x-wr-auth", WORKER_KEY)]);
        let request = request.header("content-type", content_type).header("content-encoding", encoding).body(body);
        assert_eq!(error_of(request).await, refused(401, "unauthorized"));
    }
}

#[tokio::test]
async fn the_worker_key_is_required_and_taken_raw_or_as_bearer() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let task = || app.request("POST", "/task").header("content-type", "application/json").body(HELLO);
    for key in [WORKER_KEY.to_owned(), format!("Bearer {WORKER_KEY}"), format!("bearer {WORKER_KEY}")] {
        assert_eq!(send(task().header("x-wr-auth", &key)).await.status, 200, "{key}");
    }
    for request in [task(), task().header("x-wr-auth", "")] {
        let answer = send(request).await;
        assert_eq!(error(&answer), refused(400, "missing_worker_key"));
        assert_eq!(answer.json()["error"], "Missing x-wr-auth header (worker AUTH_KEY) in request");
    }
}

#[tokio::test]
async fn the_key_before_opens_nothing() {
    let app = TestApp::start_with(&[], &[("LB_AUTH_KEY_PREVIOUS", "before")]).await;
    for (method, path) in PROTECTED {
        for headers in [[("authorization", "before")], [("x-lb-auth", "Bearer before")]] {
            let answer = send(bare(&app, method, path, &headers)).await;
            assert_eq!(error(&answer), refused(401, "unauthorized"), "{method} {path} {headers:?}");
        }
    }
}
