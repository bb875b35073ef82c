//! The errors of the document are those of the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use andera_lb::api::ApiError;
use andera_lb::policy::Failure;
use andera_lb::task::{ErrorCode, TaskState};
use axum::response::IntoResponse;
use insta::Settings;
use serde_json::{Value, json};

use super::document::{Document, Operation};

fn status_of(code: ErrorCode) -> u16 {
    ApiError::new(code, "").into_response().status().as_u16()
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_code_is_there_with_its_status_and_none_is_invented() {
    let document = Document::alone().await;
    let schema = &document.0["components"]["schemas"]["ErrorCode"];
    let known: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(words(&schema["enum"]), known);
    let about = schema["description"].as_str().unwrap();
    for code in ErrorCode::ALL {
        assert!(about.contains(&format!("- `{}` ({}): ", code.word(), status_of(*code))), "{code}");
    }
    for operation in document.operations() {
        for status in operation.statuses() {
            for word in operation.codes(status) {
                let code = ErrorCode::from_word(&word).unwrap_or_else(|| panic!("{word} is invented"));
                assert_eq!(status_of(code), status, "{word} of {}", operation.id);
            }
        }
    }
}

#[tokio::test]
async fn every_state_of_a_task_is_there() {
    let document = Document::alone().await;
    let states = TaskState::ALL.map(TaskState::word);
    assert_eq!(words(&document.0["components"]["schemas"]["TaskState"]["enum"]), states);
}

#[tokio::test]
async fn every_reason_of_a_failing_policy_is_there() {
    let document = Document::alone().await;
    let reasons = Failure::ALL.map(Failure::word);
    assert_eq!(words(&document.0["components"]["schemas"]["PolicyFailure"]["enum"]), reasons);
}

#[tokio::test]
async fn every_operation_answers_with_these_statuses_and_codes() {
    let document = Document::alone().await;
    let mut text = String::new();
    let mut answered = BTreeSet::new();
    for operation in document.operations() {
        writeln!(text, "{} {}", operation.method, operation.path).unwrap();
        for (status, codes) in by_status(&operation) {
            let words: Vec<&str> = [status.as_str()].into_iter().chain(codes.iter().map(String::as_str)).collect();
            writeln!(text, "  {}", words.join(" ")).unwrap();
            answered.extend(codes);
        }
    }
    let known: BTreeSet<String> = ErrorCode::ALL.iter().map(|code| code.word().to_owned()).collect();
    let rest: Vec<&str> = known.difference(&answered).map(String::as_str).collect();
    writeln!(text, "answered by none of these\n  {}", rest.join(" ")).unwrap();

    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("openapi", text));
}

fn by_status(operation: &Operation<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let responses = operation.value["responses"].as_object().unwrap();
    let codes = |status: &str| status.parse().map(|status| operation.codes(status)).unwrap_or_default();
    responses.keys().map(|status| (status.clone(), codes(status))).collect()
}

#[tokio::test]
async fn it_is_json_and_the_same_each_time_and_needs_the_key() {
    let app = crate::harness::TestApp::start(&[]).await;
    let (first, second) = (app.get("/openapi.json").await, app.get("/openapi.json").await);
    assert_eq!((first.status, first.header("content-type")), (200, Some("application/json")));
    assert_eq!(first.body, second.body);
    let keyless = crate::harness::app::client().get(format!("{}/openapi.json", app.url)).send().await.unwrap();
    assert_eq!(keyless.status(), 401);
    assert_eq!(first.json()["security"].as_array().unwrap().len(), 3);
    assert_eq!(first.json()["components"]["securitySchemes"]["lbAuth"]["name"], json!("x-lb-auth"));
}
