//! Sends what the document shows to a balancer, and holds each answer against it.

use std::collections::BTreeSet;

use reqwest::RequestBuilder;
use serde_json::Value;

use super::document::{Document, Operation, members};
use crate::harness::app::client;
use crate::harness::{Answer, LB_KEY, TestApp, TestWorker, WORKER_KEY};

/// Where the examples have their results sent.
const WEBHOOK: &str = "https://example.com";
/// Numbers that differ from run to run.
const FIGURES: [&str; 5] = ["tookUs", "p50Us", "p99Us", "memoryBytes", "bytes"];
const FIGURE: &str = "[figure]";
/// What these show differs from place to place: for their answers the schema must do.
const NOT_COMPARED: [&str; 4] = ["health", "logs", "metrics", "openapi"];

/// Which examples have been run: by operation and name.
pub(super) type Covered = BTreeSet<(String, String)>;

/// A balancer with a worker, and the document that it serves.
pub(super) struct Bench {
    pub(super) app: TestApp,
    pub(super) document: Document,
    _worker: TestWorker,
}

/// A request for an operation.
#[derive(Clone, Default)]
pub(super) struct Ask {
    /// The example of its body.
    pub(super) example: Option<String>,
    /// The task in its path. What else is there are the examples of the parameters.
    pub(super) id: Option<String>,
    /// Sent in the place of an example that only stands for the bytes of a file.
    pub(super) file: Option<Vec<u8>>,
    pub(super) query: String,
    /// Sent in the place of `https://example.com`.
    pub(super) webhook: Option<String>,
    pub(super) keyless: bool,
}

impl Bench {
    pub(super) async fn start(env: &[(&str, &str)]) -> Self {
        let worker = TestWorker::start(&["--tag", "zone=eu"]).await;
        let app = TestApp::start_with(&[&worker], env).await;
        let document = Document::of(&app).await;
        Self { app, document, _worker: worker }
    }

    /// The request with all that the operation requires, but a body and the key. `id` is the task, or the policy, in its path.
    pub(super) fn keyless(&self, operation: &Operation<'_>, id: Option<&str>, query: &str) -> RequestBuilder {
        let mut path = operation.path.to_owned();
        for parameter in operation.parameters.iter().filter(|parameter| parameter["in"] == "path") {
            let name = parameter["name"].as_str().unwrap();
            let example = text(&parameter["example"]);
            let value = if matches!(name, "id" | "name") { id.unwrap_or(&example) } else { &example };
            path = path.replace(&format!("{{{name}}}"), value);
        }
        let url = format!("{}{path}{query}", self.app.url);
        let request = client().request(operation.method.parse().unwrap(), url);
        let worker_key = operation.parameter("x-wr-auth").is_some();
        if worker_key { request.header("x-wr-auth", WORKER_KEY) } else { request }
    }

    /// Sends a request that is as the document says.
    pub(super) async fn send(&self, id: &str, ask: Ask) -> Answer {
        let operation = self.document.operation(id);
        let mut request = self.keyless(&operation, ask.id.as_deref(), &ask.query);
        if !ask.keyless {
            request = request.header("authorization", LB_KEY);
        }
        if let Some(name) = &ask.example {
            let examples = self.document.examples(&operation.value["requestBody"]);
            let example = examples.into_iter().find(|example| example.name == name);
            let example = example.unwrap_or_else(|| panic!("{id} has no example {name}"));
            let body = text(example.value).replace(WEBHOOK, ask.webhook.as_deref().unwrap_or(WEBHOOK));
            let body = ask.file.unwrap_or_else(|| body.into_bytes());
            request = request.header("content-type", example.media_type).body(body);
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        self.check(&operation, &answer);
        answer
    }

    /// Sends such a request and compares the answer with the one that the document shows under that name.
    pub(super) async fn run(&self, id: &str, name: &str, ask: Ask, covered: &mut Covered) -> Answer {
        let answer = self.send(id, ask).await;
        let operation = self.document.operation(id);
        let response = &operation.value["responses"][answer.status.to_string()];
        let shown = self.document.examples(response).into_iter().find(|example| example.name == name);
        let shown = shown.unwrap_or_else(|| panic!("{id}: {} has no example {name}", answer.status));
        if shown.media_type == "text/event-stream" {
            let told = |text| events(text).iter().map(|(name, data)| (name.clone(), plain(data))).collect::<Vec<_>>();
            assert_eq!(told(answer.text()), told(shown.value.as_str().unwrap()), "{id}, example {name}");
        } else if !NOT_COMPARED.contains(&id) {
            let got = serde_json::from_slice(&answer.body).unwrap_or_else(|_| Value::from(answer.text()));
            assert_eq!(plain(&got), plain(shown.value), "{id}, example {name}");
        }
        covered.insert((id.to_owned(), name.to_owned()));
        answer
    }

    /// Holds an answer against what the document says of its status.
    pub(super) fn check(&self, operation: &Operation<'_>, answer: &Answer) {
        let (id, status) = (operation.id, answer.status);
        let context = format!("{id} answers {status} {:?}", String::from_utf8_lossy(&answer.body));
        let response = &operation.value["responses"][status.to_string()];
        assert!(response.is_object(), "not documented: {context}");

        for name in ["x-task-id", "location", "server-timing", "retry-after"] {
            let Some(value) = answer.header(name) else { continue };
            let header = members(&response["headers"]).find(|(other, _)| other.eq_ignore_ascii_case(name));
            let (_, header) = header.unwrap_or_else(|| panic!("no header {name}: {context}"));
            let header = &self.document.at(header)["schema"];
            let value = value.parse::<u64>().map_or_else(|_| Value::from(value), Value::from);
            assert_eq!(self.document.problems(header, &value), [""; 0], "{name}: {context}");
        }

        let Some(bodies) = response.get("content") else {
            return assert!(answer.body.is_empty() && answer.header("content-type").is_none(), "a body: {context}");
        };
        let kind = answer.header("content-type").unwrap();
        let essence = kind.split(';').next().unwrap();
        let documented = [kind, essence].into_iter().find_map(|kind| bodies.get(kind));
        let schema = &documented.unwrap_or_else(|| panic!("{kind} is not documented: {context}"))["schema"];
        let body = if essence == "application/json" { answer.json() } else { answer.text().into() };
        assert_eq!(self.document.problems(schema, &body), [""; 0], "{context}");
        // Where a worker may answer too, the schema would let any code pass.
        if let Some(code) = body["code"].as_str().filter(|_| status >= 400) {
            assert!(operation.codes(status).contains(code), "not documented: {context}");
        }
    }
}

/// A string as it is, anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Server-sent events, each with its name and data; comments left out.
pub(super) fn events(text: &str) -> Vec<(String, Value)> {
    let field = |event: &str, name: &str| {
        let mut values =
            event.lines().filter_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned());
        values.next()
    };
    let all = text.split("\n\n").filter_map(|event| Some((field(event, "event:")?, field(event, "data:")?)));
    all.map(|(name, data)| (name, serde_json::from_str(&data).unwrap())).collect()
}

/// A value without what differs from run to run.
pub(super) fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let plain = |name: &str, value: &Value| match value {
                Value::Object(object) if name == "signals" => object.keys().map(|name| (name, FIGURE)).collect(),
                Value::Number(_) if FIGURES.contains(&name) => FIGURE.into(),
                value => plain(value),
            };
            object.iter().map(|(name, value)| (name.clone(), plain(name, value))).collect()
        }
        Value::Array(elements) => elements.iter().map(plain).collect(),
        Value::String(text) if text.parse::<andera_lb::task::TaskId>().is_ok() => "[task]".into(),
        Value::String(text) if andera_lb::task::Timestamp::from_rfc3339(text).is_some() => "[time]".into(),
        Value::String(text) if text.starts_with("http://127.0.0.1:") => "[worker]".into(),
        Value::String(text) if is_hash(text, 64) => "[hash]".into(),
        // The version of a user's policy.
        Value::String(text) if text.rsplit_once('+').is_some_and(|(_, hash)| is_hash(hash, 12)) => {
            format!("{}+[hash]", text.rsplit_once('+').unwrap().0).into()
        }
        other => other.clone(),
    }
}

fn is_hash(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
