//! Each kind of answer, with its status and headers, beside a file that shows it. What differs from run to run is left out.

mod errors;
mod repeats;
mod states;
mod successes;

use insta::Settings;
use serde_json::{Map, Value, json};

use crate::harness::{Answer, TestApp};

const HEADERS: [&str; 7] =
    ["allow", "content-encoding", "content-type", "location", "retry-after", "server-timing", "x-task-id"];

/// Compares an answer with the file of that name.
pub(crate) fn check(name: &str, answer: &Answer) {
    let headers: Map<String, Value> =
        HEADERS.iter().filter_map(|name| Some(((*name).to_owned(), json!(answer.header(name)?)))).collect();
    let body = serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!(answer.text()));
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (selector, shown) in [
        (".**.taskId", "[task]"),
        (".headers[\"x-task-id\"]", "[task]"),
        (".headers[\"server-timing\"]", "[timing]"),
        (".headers.location", "/tasks/[task]"),
        (".**.createdAt", "[time]"),
        (".**.finishedAt", "[time]"),
        (".**.runAt", "[time]"),
        (".**.startedAt", "[time]"),
        (".**.at", "[time]"),
        (".**.worker", "[worker]"),
        (".**.tookUs", "[microseconds]"),
        (".**.p50Us", "[microseconds]"),
        (".**.p99Us", "[microseconds]"),
        (".**.since", "[time]"),
        (".**.version", "[version]"),
        (".**.signals", "[signals]"),
        (".**.url", "[worker]"),
        (".**.websocketPort", "[port]"),
        (".**.system", "[system]"),
    ] {
        settings.add_redaction(selector, shown);
    }
    settings.add_dynamic_redaction(".**.endedAt", |value, _| if value.is_nil() { value } else { "[time]".into() });
    // What the system says of a broken connection differs from time to time.
    settings.add_dynamic_redaction(".body.error", |value, _| {
        let text = value.as_str().unwrap();
        text.find("broke: ").map_or_else(|| text.to_owned(), |at| format!("{}[reason]", &text[..at + 7]))
    });
    let shown = json!({ "status": answer.status, "headers": headers, "body": body });
    settings.bind(|| insta::assert_json_snapshot!(name, shown));
}

/// A call with further fields.
fn call(function: &str, input: &Value, fields: &Value) -> Value {
    let mut task = TestApp::call(function, input);
    for (name, value) in fields.as_object().unwrap() {
        task[name] = value.clone();
    }
    task
}
