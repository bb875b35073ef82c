//! The streams of events, and the actions that make some.

use reqwest::Response;
use serde_json::{Value, json};

use super::bench::{Bench, Covered, events, plain};
use super::document::NOT_YET_IN_THIS_BRANCH;
use super::examples::{body, delayed, gone, of, waits};
use crate::harness::{LB_KEY, TestApp, with};

/// What a stream has told so far, up to the last whole event.
struct Listener {
    stream: Response,
    text: String,
}

impl Listener {
    async fn start(bench: &Bench, query: &str) -> Self {
        let request = bench.keyless(&bench.document.operation("listenToEvents"), None, query);
        let stream = request.header("authorization", LB_KEY).send().await.unwrap();
        assert_eq!(stream.status(), 200);
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        Self { stream, text: String::new() }
    }

    /// The events once one of them satisfies the condition.
    async fn until(&mut self, condition: impl Fn(&str, &Value) -> bool) -> Vec<(String, Value)> {
        loop {
            let whole = self.text.rfind("\n\n").map_or("", |end| &self.text[..end + 2]);
            let heard = events(whole);
            if heard.iter().any(|(name, data)| condition(name, data)) {
                return heard;
            }
            let chunk = tokio::time::timeout(std::time::Duration::from_secs(30), self.stream.chunk()).await;
            self.text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap().unwrap()).unwrap());
        }
    }
}

/// Runs the examples, where the routes are there.
pub(super) async fn run(covered: &mut Covered) {
    let bench = Bench::start(&[]).await;
    let is_here = |path| !NOT_YET_IN_THIS_BRANCH.contains(&path);
    if is_here("/tasks/{id}/events") {
        follow(&bench, covered).await;
    }
    if is_here("/events") {
        listen(&bench, covered).await;
    }
    if is_here("/tasks/actions") {
        act(covered).await;
    }
}

/// On a balancer of its own: the answers count all tasks of the group.
async fn act(covered: &mut Covered) {
    let bench = Bench::start(&[]).await;
    waits(&bench, json!({})).await;
    waits(&bench, json!({})).await;
    for example in ["cancel", "dryRun", "remove"] {
        bench.run("actOnTasks", example, body(example), covered).await;
    }
}

async fn follow(bench: &Bench, covered: &mut Covered) {
    let task = bench.app.accept(&TestApp::call("sleep", &json!({ "ms": 2 }))).await;
    bench.app.ended(&task).await;
    bench.run("followTask", "completed", of(&task), covered).await;

    let task = waits(bench, json!({})).await;
    let (followed, ()) = tokio::join!(bench.send("followTask", of(&task)), gone(bench, &task));
    let followed = events(followed.text());
    for (at, (name, data)) in followed.iter().enumerate() {
        let schema = if at == 0 || at == followed.len() - 1 { "Task" } else { "TaskEvent" };
        assert_eq!(bench.document.problems_as(schema, data), [""; 0], "{data}");
        assert_eq!(data["state"], name.as_str());
    }
    assert_eq!(followed.last().unwrap().0, "cancelled");
}

async fn listen(bench: &Bench, covered: &mut Covered) {
    let hello = TestApp::call("hello", &json!({}));
    for (query, example, group) in [("?group=nobody", "queued", "nobody"), ("?state=running", "running", "default")] {
        let mut listener = Listener::start(bench, query).await;
        let task = bench.app.accept(&with(hello.clone(), json!({ "group": group }))).await;
        let heard = listener.until(|_, _| true).await;
        let operation = bench.document.operation("listenToEvents");
        let shown = bench.document.examples(&operation.value["responses"]["200"]);
        let shown = shown.into_iter().find(|shown| shown.name == example).unwrap();
        let data = |events: &[(String, Value)]| plain(&events[0].1);
        assert_eq!(data(&heard), data(&events(shown.value.as_str().unwrap())), "{example}");
        covered.insert(("listenToEvents".to_owned(), example.to_owned()));
        if group == "nobody" {
            gone(bench, &task).await;
        }
    }
    let mut listener = Listener::start(bench, "").await;
    let fails = TestApp::call("fail", &json!({}));
    bench.app.accept(&with(fails, json!({ "options": { "attempts": 2 } }))).await;
    listener.until(|name, _| name == "failed").await;
    let task = delayed(bench, "default").await;
    gone(bench, &task).await;
    for (name, data) in listener.until(|name, _| name == "cancelled").await {
        assert_eq!(bench.document.problems_as("TaskEvent", &data), [""; 0], "{data}");
        assert_eq!(data["state"], name.as_str());
    }
}

#[tokio::test]
async fn the_schema_of_an_action_and_the_balancer_take_the_same() {
    if NOT_YET_IN_THIS_BRANCH.contains(&"/tasks/actions") {
        return;
    }
    let bench = Bench::start(&[]).await;
    for (action, taken) in [
        (json!({ "action": "cancel", "filter": {} }), true),
        (json!({ "action": "remove", "filter": { "state": "failed,cancelled", "contract": "1", "q": "x" } }), true),
        (json!({ "action": "retry", "filter": { "state": ["failed"], "contract": 1, "worker": "http://w" } }), true),
        (json!({ "action": "retry", "filter": { "since": "2026-11-23T00:00:00Z", "tenant": "t" } }), true),
        (json!({ "action": "retry", "filter": {}, "dryRun": true }), true),
        (json!({ "filter": {} }), false),
        (json!({ "action": "retry" }), false),
        (json!({ "action": "pause", "filter": {} }), false),
        (json!({ "action": "retry", "filter": [] }), false),
        (json!({ "action": "retry", "filter": { "state": "ended" } }), false),
        (json!({ "action": "retry", "filter": { "since": "yesterday" } }), false),
        (json!({ "action": "retry", "filter": { "limit": 5 } }), false),
        (json!({ "action": "retry", "filter": {}, "dryrun": true }), false),
        (json!({ "action": "retry", "filter": {}, "dryRun": 1 }), false),
    ] {
        assert_eq!(bench.document.problems_as("TaskAction", &action).is_empty(), taken, "{action}");
        let answer = bench.app.request("POST", "/tasks/actions").json(&action).send().await.unwrap();
        let answer = crate::harness::Answer::of(answer).await;
        bench.check(&bench.document.operation("actOnTasks"), &answer);
        assert_eq!(answer.status == 200, taken, "{action}");
    }
}

#[tokio::test]
async fn the_examples_of_events_fit_their_schemas() {
    let bench = Bench::start(&[]).await;
    for (id, schema) in [("listenToEvents", "TaskEvent"), ("followTask", "Task")] {
        let operation = bench.document.operation(id);
        for example in bench.document.examples(&operation.value["responses"]["200"]) {
            let told = events(example.value.as_str().unwrap());
            assert!(!told.is_empty(), "{id} {}", example.name);
            for (name, data) in told {
                assert_eq!(bench.document.problems_as(schema, &data), [""; 0], "{id} {}", example.name);
                assert_eq!(data["state"], name);
            }
        }
    }
}
