//! Keys and ids.

use super::{UNKNOWN, error, refused, send};
use crate::harness::app::client;
use crate::harness::{Answer, TestApp};

const ROUTES: [(&str, &str); 12] = [
    ("GET", "/tasks"),
    ("DELETE", "/tasks/{id}"),
    ("PATCH", "/tasks/{id}"),
    ("POST", "/tasks/{id}/retry"),
    ("POST", "/tasks/{id}/promote"),
    ("POST", "/tasks/{id}/duplicate"),
    ("GET", "/tasks/{id}/events"),
    ("GET", "/events"),
    ("POST", "/tasks/actions"),
    ("GET", "/lanes"),
    ("POST", "/lanes/g/1/pause"),
    ("POST", "/lanes/g/1/resume"),
];

#[tokio::test]
async fn everything_needs_the_key() {
    let app = TestApp::start_for(&[], &[]).await;
    for (method, path) in ROUTES {
        let request =
            client().request(method.parse().unwrap(), format!("{}{}", app.url, path.replace("{id}", UNKNOWN)));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(error(&answer), refused(401, "unauthorized"), "{method} {path}");
    }
    assert_eq!(app.get("/lanes").await.text(), "[]", "nothing was paused");
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_404_in_every_action() {
    let app = TestApp::start_for(&[], &[]).await;
    for id in [UNKNOWN, "1", "x", "%FF", "a%2Fb"] {
        for (method, path) in ROUTES.iter().filter(|(_, path)| path.contains("{id}")) {
            let mut request = app.request(method, &path.replace("{id}", id));
            if *method == "PATCH" {
                request = request.json(&serde_json::json!({ "priority": 1 }));
            }
            let answer = Answer::of(request.send().await.unwrap()).await;
            assert_eq!(error(&answer), refused(404, "task_not_found"), "{method} {path} {id}");
        }
    }
}

#[tokio::test]
async fn other_methods_are_405() {
    let app = TestApp::start_for(&[], &[]).await;
    for (method, path, allow) in [
        ("PUT", "/tasks", "GET,HEAD,POST"),
        ("PUT", "/tasks/x", "GET,HEAD,DELETE,PATCH"),
        ("GET", "/tasks/x/retry", "POST"),
        ("POST", "/tasks/x/events", "GET,HEAD"),
        ("POST", "/events", "GET,HEAD"),
        ("GET", "/tasks/actions", "POST"),
        ("DELETE", "/lanes", "GET,HEAD"),
        ("GET", "/lanes/g/1/pause", "POST"),
    ] {
        let answer = send(&app, method, path).await;
        assert_eq!(error(&answer), refused(405, "method_not_allowed"), "{method} {path}");
        let allowed =
            |list: &str| list.split(',').map(|word| word.trim().to_owned()).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(allowed(answer.header("allow").unwrap()), allowed(allow), "{method} {path}");
    }
}
