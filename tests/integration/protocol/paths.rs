//! Paths and methods.

use super::{HELLO, error, error_of, refused, send};
use crate::harness::app::client;
use crate::harness::{TestApp, TestWorker};

#[tokio::test]
async fn an_unknown_path_is_a_json_404_with_and_without_the_key() {
    let app = TestApp::start(&[]).await;
    for path in ["/nothing", "/task/1", "/health/x", "/dashboard/api", "/health//", "/Tasks/x", "/%FF", "/..%2Fetc"] {
        assert_eq!(error_of(app.request("GET", path)).await, refused(404, "not_found"), "{path}");
        let keyless = client().get(format!("{}{path}", app.url));
        assert_eq!(error_of(keyless).await, refused(404, "not_found"), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_json_405_that_says_which_are_right() {
    let app = TestApp::start(&[]).await;
    for (method, path, allowed) in [
        ("GET", "/task", "POST"),
        ("PUT", "/task", "POST"),
        ("OPTIONS", "/task", "POST"),
        ("POST", "/health", "GET"),
        ("DELETE", "/logs", "GET"),
        ("POST", "/metrics", "GET"),
        ("POST", "/", "GET"),
        ("PUT", "/favicon.svg", "GET"),
        ("POST", "/tasks/018c0000-0000-7000-8000-000000000000", "GET"),
        ("POST", "/dashboard/api/workers", "GET"),
    ] {
        let answer = send(app.request(method, path)).await;
        assert_eq!(error(&answer), refused(405, "method_not_allowed"), "{method} {path}");
        let allow = answer.header("allow").unwrap_or_default();
        assert!(allow.split(',').any(|name| name.trim() == allowed), "{method} {path} allows {allow:?}");
        assert!(!allow.split(',').any(|name| name.trim() == method), "{method} {path} allows {allow:?}");
    }
}

#[tokio::test]
async fn the_originals_endpoints_are_found_in_any_spelling() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    for path in ["/health", "/health/", "/HEALTH", "/Health/", "/health/?a=1"] {
        assert_eq!(send(client().get(format!("{}{path}", app.url))).await.text(), r#"{"status":"ready"}"#, "{path}");
    }
    for path in ["/logs/", "/LOGS", "/Favicon.svg", "/dashboard/api/workers/", "/DASHBOARD/API/workers"] {
        assert_eq!(app.get(path).await.status, 200, "{path}");
    }
    for path in ["/task/", "/TASK", "/Task/?x=y"] {
        let url = format!("{}{path}", app.url);
        let task = app.task_text(HELLO).build().unwrap();
        let request = client().post(url).headers(task.headers().clone()).body(HELLO);
        assert_eq!(send(request).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let app = TestApp::start(&[]).await;
    for path in ["/health", "/logs", "/"] {
        let answer = send(app.request("HEAD", path)).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
    }
}
