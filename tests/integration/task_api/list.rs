//! `GET /tasks`.

use serde_json::{Value, json};

use super::{call, error, refused, running, sent};
use crate::harness::{TestApp, TestWorker};

async fn listed(app: &TestApp, query: &str) -> Vec<String> {
    let answer = app.get(&format!("/tasks?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let tasks = answer.json()["tasks"].as_array().unwrap().clone();
    tasks.iter().map(|task| task["taskId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn filters_go_together() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let none = json!({});
    let hello = sent(&app, "hello", &none, &json!({ "options": { "tenant": "acme" } })).await;
    let failed = sent(&app, "fail", &json!({ "message": "no luck" }), &json!({ "options": { "attempts": 1 } })).await;
    let completed = app.ended(&hello).await;
    app.ended(&failed).await;
    let queued = sent(&app, "hello", &none, &json!({ "group": "nobody", "contract": 1.5 })).await;
    let asleep = sent(&app, "sleep", &json!({ "ms": 60_000 }), &none).await;
    running(&app, &asleep).await;

    assert_eq!(listed(&app, "").await, [&asleep[..], &queued, &failed, &hello], "newest first");
    assert_eq!(listed(&app, "state=completed,failed").await, [&failed[..], &hello]);
    assert_eq!(listed(&app, "group=nobody").await, [&queued[..]]);
    assert_eq!(listed(&app, "contract=1.5").await, [&queued[..]]);
    assert_eq!(listed(&app, "function=hello&contract=1.0").await, [&hello[..]]);
    assert_eq!(listed(&app, "tenant=acme").await, [&hello[..]]);
    assert_eq!(listed(&app, "q=no%20luck").await, [&failed[..]]);
    assert_eq!(listed(&app, &format!("q={}", &hello[20..])).await, [&hello[..]]);
    assert_eq!(
        listed(&app, &format!("worker={}", worker.url)).await,
        [&asleep[..], &failed, &hello],
        "running ones too"
    );
    assert_eq!(listed(&app, "worker=http://elsewhere").await, [""; 0]);
    let created = completed["createdAt"].as_str().unwrap();
    assert!(listed(&app, &format!("since={created}")).await.contains(&hello));
    assert_eq!(listed(&app, &format!("until={created}")).await, [""; 0]);
    assert_eq!(listed(&app, "state=completed&group=nobody").await, [""; 0]);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let app = TestApp::start_for(&[], &[]).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(sent(&app, "hello", &json!({}), &json!({})).await);
    }
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    for size in [2, 2, 1] {
        let page = app.get(&format!("/tasks?{query}")).await.json();
        let tasks = page["tasks"].as_array().unwrap();
        assert_eq!(tasks.len(), size);
        seen.extend(tasks.iter().map(|task| task["taskId"].as_str().unwrap().to_owned()));
        query = format!("limit=2&cursor={}", page["next"].as_str().unwrap_or("none"));
    }
    assert_eq!(query, "limit=2&cursor=none", "the last page says so");
    // Ids of one millisecond are in no particular order.
    let mut sorted = seen.clone();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(seen, sorted);
    ids.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn a_bad_parameter_is_named() {
    let app = TestApp::start_for(&[], &[]).await;
    for (name, query) in [
        ("state", "state=done"),
        ("contract", "contract=one"),
        ("since", "since=yesterday"),
        ("until", "until=5"),
        ("limit", "limit=0"),
        ("limit", "limit=1001"),
        ("cursor", "cursor=7"),
        ("stat", "stat=failed"),
        ("q", "q=a&q=b"),
    ] {
        let answer = app.get(&format!("/tasks?{query}")).await;
        assert_eq!(error(&answer), refused(400, "invalid_query"), "{query}");
        let body = answer.json();
        assert!(body["error"].as_str().unwrap().split(' ').any(|word| word == name), "{body}");
    }
}

#[tokio::test]
async fn results_are_left_out_and_the_rest_is_there() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let id = app.submit(&call("hello", &json!({}), &json!({}))).await.task_id();
    let mut whole = app.ended(&id).await;
    assert!(whole["result"].is_object());
    whole.as_object_mut().unwrap().remove("result");
    let page: Value = app.get("/tasks").await.json();
    assert_eq!(page, json!({ "tasks": [whole], "next": null }));
}
