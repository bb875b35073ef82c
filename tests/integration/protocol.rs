//! The HTTP protocol: what clients send and what they get.

mod auth;
mod bodies;
mod compression;
mod fields;
mod health;
mod metrics;
mod modes;
mod pages;
mod paths;
mod readme;
mod snapshots;
mod tasks;
mod worker_answers;
mod worker_logs;
mod workers_api;

use reqwest::RequestBuilder;

use crate::harness::Answer;

pub(crate) use snapshots::check;

const HELLO: &str = r#"{"group":"default","contract":1,"function":"hello"}"#;

/// The body of a task for `hello` with one more field.
fn hello_with(field: &str) -> String {
    HELLO.replace('}', &format!(",{field}}}"))
}

async fn send(request: RequestBuilder) -> Answer {
    Answer::of(request.send().await.unwrap()).await
}

/// The status and code of an error, which is JSON and has a sentence.
fn error(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    let body = answer.json();
    assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    (answer.status, body["code"].as_str().unwrap_or_else(|| panic!("no code in {body}")).to_owned())
}

async fn error_of(request: RequestBuilder) -> (u16, String) {
    error(&send(request).await)
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
