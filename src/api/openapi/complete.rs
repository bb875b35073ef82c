//! What the document has from the code: the version, the words of errors and their statuses.
//!
//! In the pieces an operation only names the errors it may answer, in `x-errors`; here they become responses by status. Those that
//! every operation has are added. `x-passes-on-worker-errors` says that an answer with such a status may also be a worker's own.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::ApiError;
use crate::task::ErrorCode;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Adds to the joined pieces what the code knows.
///
/// # Errors
///
/// An operation names an error that there is not.
pub(super) fn complete(document: &mut Map<String, Value>) -> serde_json::Result<()> {
    if let Some(info) = document.get_mut("info").and_then(Value::as_object_mut) {
        info.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    }
    let schemas = document.get_mut("components").and_then(|components| components.get_mut("schemas"));
    if let Some(schemas) = schemas.and_then(Value::as_object_mut) {
        schemas.insert("ErrorCode".to_owned(), codes());
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for path in paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        for method in METHODS {
            if let Some(operation) = path.get_mut(method).and_then(Value::as_object_mut) {
                add_errors(operation)?;
            }
        }
    }
    Ok(())
}

fn codes() -> Value {
    let words: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.word()).collect();
    let line = |code: &ErrorCode| format!("- `{}` ({}): {}", code.word(), status_of(*code), code.about());
    let lines: Vec<String> = ErrorCode::ALL.iter().map(line).collect();
    let head = "A stable word, which programs may rely on; in brackets its status where it is an answer.";
    let about = format!("{head}\n\n{}", lines.join("\n"));
    json!({ "type": "string", "enum": words, "description": about })
}

fn add_errors(operation: &mut Map<String, Value>) -> serde_json::Result<()> {
    let named: Option<Vec<ErrorCode>> = operation.remove("x-errors").map(serde_json::from_value).transpose()?;
    let passes_on = operation.remove("x-passes-on-worker-errors").is_some();
    let about_tasks = operation.get("tags") == Some(&json!(["Tasks"]));

    let mut codes = named.unwrap_or_default();
    codes.push(ErrorCode::Internal);
    // An operation with a `security` of its own is open.
    if !operation.contains_key("security") {
        codes.push(ErrorCode::Unauthorized);
    }
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(status_of(code)).or_default().push(code);
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return Ok(()) };
    for (status, codes) in by_status {
        let mut response = response(&codes);
        let headers = headers(status, about_tasks, passes_on);
        if !headers.is_empty() {
            response["headers"] = headers.into();
        }
        if passes_on {
            let content = &mut response["content"];
            let own = content["application/json"]["schema"].take();
            content["application/json"]["schema"] =
                json!({ "anyOf": [own, { "$ref": "#/components/schemas/WorkerAnswer" }] });
            content["*/*"] = json!({ "schema": {} });
        }
        responses.insert(status.to_string(), response);
    }
    Ok(())
}

fn response(codes: &[ErrorCode]) -> Value {
    let lines: Vec<String> = codes.iter().map(|code| format!("- `{}`: {}", code.word(), code.about())).collect();
    let words: Vec<&str> = codes.iter().map(|code| code.word()).collect();
    let schema = json!({
        "allOf": [{ "$ref": "#/components/schemas/Error" }, { "properties": { "code": { "enum": words } } }],
    });
    json!({ "description": lines.join("\n"), "content": { "application/json": { "schema": schema } } })
}

fn headers(status: u16, about_tasks: bool, passes_on: bool) -> Map<String, Value> {
    let mut headers = Map::new();
    let mut add = |name: &str, component: &str| {
        headers.insert(name.to_owned(), json!({ "$ref": format!("#/components/headers/{component}") }));
    };
    if matches!(status, 429 | 503) {
        add("Retry-After", "RetryAfter");
    }
    if about_tasks && (passes_on || matches!(status, 404 | 409 | 422 | 503)) {
        add("x-task-id", "TaskId");
    }
    if passes_on {
        add("Server-Timing", "ServerTiming");
    }
    headers
}

fn status_of(code: ErrorCode) -> u16 {
    ApiError::new(code, "").status().as_u16()
}
