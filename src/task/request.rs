//! A submission, read once.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::request_body::{Member, RoutingFields, splice};
use super::{Contract, ErrorCode, LaneKey, Mode, Priority, TaskOptions};

/// The longest group, function, key or tenant, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// What the original answers when one of the three is missing.
const MISSING_FIELD: &str = "Missing group, function, or contract";
const MISSING_WEBHOOK: &str = "Missing or invalid webhook.url for mode webhook";

/// A submission: the routing fields, and the body as the worker will get it.
#[derive(Clone, Debug)]
pub struct TaskRequest {
    /// `group` and `contract`.
    pub lane: LaneKey,
    /// `function`.
    pub function: Arc<str>,
    /// `mode`.
    pub mode: Mode,
    /// `priority`.
    pub priority: Option<Priority>,
    /// `webhook`, in mode `webhook`.
    pub webhook: Option<WebhookTarget>,
    /// `options`.
    pub options: TaskOptions,
    /// The client's bytes, but for what a worker would refuse: a `priority` of null or 0 is cut out, mode `async` reads `sync`.
    pub body: Bytes,
}

/// Where a worker posts a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTarget {
    /// `webhook.url`.
    pub url: Arc<str>,
    /// `webhook.headers`.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
}

/// Why a submission is refused: a client's mistake, named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// The stable word.
    pub code: ErrorCode,
    /// The sentence for the client.
    pub message: String,
}

impl BadRequest {
    /// A refusal.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl TaskRequest {
    /// Reads a submission: one pass over the routing fields, the rest is only checked to be JSON.
    pub fn parse(body: Bytes) -> Result<Self, BadRequest> {
        let invalid = |problem: &dyn std::fmt::Display| {
            BadRequest::new(ErrorCode::InvalidJson, format!("The body is not a JSON object: {problem}"))
        };
        let text = std::str::from_utf8(&body).map_err(|error| invalid(&error))?;
        let fields: RoutingFields<'_> = serde_json::from_str(text).map_err(|error| invalid(&error))?;

        let group = name(fields.group, "group", ErrorCode::InvalidGroup)?;
        let function = name(fields.function, "function", ErrorCode::InvalidFunction)?;
        let contract = contract(fields.contract)?;
        let (Some(group), Some(function), Some(contract)) = (group, function, contract) else {
            return Err(BadRequest::new(ErrorCode::MissingField, MISSING_FIELD));
        };
        let priority = priority(fields.priority.last().map(|member| member.value))?;
        let mode = mode(fields.mode)?;
        let webhook = if mode == Mode::Webhook { Some(webhook(fields.webhook)?) } else { None };
        let options = super::options::parse(fields.options)?;

        if let (None, [first, _, ..]) = (priority, fields.priority.as_slice()) {
            // All of them must go, and neighbours share a comma: cut one, read again.
            return Self::parse(splice(text, vec![(first.span_with_comma(text), "")]));
        }
        let edits = edits(text, &fields, priority, mode);
        let edited = (!edits.is_empty()).then(|| splice(text, edits));
        drop(fields);
        let body = edited.unwrap_or(body);
        Ok(Self { lane: LaneKey::new(group, contract), function, mode, priority, webhook, options, body })
    }
}

/// What a worker would refuse, and what it gets instead.
fn edits(
    text: &str,
    fields: &RoutingFields<'_>,
    priority: Option<Priority>,
    mode: Mode,
) -> Vec<(Range<usize>, &'static str)> {
    let mut edits = Vec::new();
    if priority.is_none() {
        edits.extend(fields.priority.iter().map(|member| (member.span_with_comma(text), "")));
    }
    if let (Mode::Async, Some(value)) = (mode, fields.mode) {
        edits.push((Member { value }.value_span(text), r#""sync""#));
    }
    edits.sort_by_key(|(span, _)| span.start);
    edits
}

fn is_absent(value: Option<&RawValue>) -> bool {
    value.is_none_or(|value| value.get() == "null")
}

fn name(value: Option<&RawValue>, field: &str, code: ErrorCode) -> Result<Option<Arc<str>>, BadRequest> {
    let Some(value) = value.filter(|value| value.get() != "null") else { return Ok(None) };
    let Ok(text) = serde_json::from_str::<String>(value.get()) else {
        return Err(BadRequest::new(code, format!("{field} must be a string")));
    };
    if text.len() > MAX_NAME_BYTES {
        return Err(BadRequest::new(code, format!("{field} must be at most {MAX_NAME_BYTES} bytes long")));
    }
    Ok((!text.is_empty()).then(|| text.into()))
}

fn contract(value: Option<&RawValue>) -> Result<Option<Contract>, BadRequest> {
    let Some(value) = value.filter(|value| value.get() != "null") else { return Ok(None) };
    let number: Option<f64> = serde_json::from_str(value.get()).ok();
    match number.and_then(Contract::new) {
        Some(contract) => Ok(Some(contract)),
        None => Err(BadRequest::new(ErrorCode::InvalidContract, "contract must be a number")),
    }
}

pub(super) fn priority(value: Option<&RawValue>) -> Result<Option<Priority>, BadRequest> {
    let Some(value) = value.filter(|value| value.get() != "null") else { return Ok(None) };
    let number: Option<f64> = serde_json::from_str(value.get()).ok();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within the bounds by then")]
    let whole = number
        .filter(|number| number.fract() == 0.0 && (0.0..=f64::from(Priority::MAX)).contains(number))
        .map(|number| number as u32);
    match whole {
        Some(0) => Ok(None),
        Some(number) => Ok(Priority::new(number)),
        None => Err(BadRequest::new(
            ErrorCode::InvalidPriority,
            format!("priority must be an integer from 1 to {}", Priority::MAX),
        )),
    }
}

fn mode(value: Option<&RawValue>) -> Result<Mode, BadRequest> {
    if is_absent(value) {
        return Ok(Mode::default());
    }
    value
        .and_then(|value| serde_json::from_str::<String>(value.get()).ok())
        .and_then(|name| Mode::from_name(&name))
        .ok_or_else(|| BadRequest::new(ErrorCode::InvalidMode, "mode must be one of sync, stream, webhook, async"))
}

fn webhook(value: Option<&RawValue>) -> Result<WebhookTarget, BadRequest> {
    let bad = || BadRequest::new(ErrorCode::InvalidWebhook, MISSING_WEBHOOK);
    let value: serde_json::Value = value.and_then(|value| serde_json::from_str(value.get()).ok()).ok_or_else(bad)?;
    let url = value["url"].as_str().filter(|url| is_http_url(url)).ok_or_else(bad)?;
    let headers = match &value["headers"] {
        serde_json::Value::Null => Vec::new(),
        serde_json::Value::Object(headers) => headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().into(), value.as_str().map_or_else(|| value.to_string().into(), Arc::from))
            })
            .collect(),
        _ => return Err(BadRequest::new(ErrorCode::InvalidWebhook, "webhook.headers must be an object")),
    };
    Ok(WebhookTarget { url: url.into(), headers })
}

fn is_http_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    })
}

pub(super) fn short_text(value: &RawValue, field: &str) -> Result<Arc<str>, BadRequest> {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) if text.len() <= MAX_NAME_BYTES => Ok(text.into()),
        _ => Err(BadRequest::new(
            ErrorCode::InvalidOptions,
            format!("{field} must be a string of at most {MAX_NAME_BYTES} bytes"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TaskRequest, BadRequest> {
        TaskRequest::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn with(field: &str) -> Result<TaskRequest, BadRequest> {
        parse(&format!(r#"{{"group":"g","function":"f","contract":1,{field}}}"#))
    }

    fn code(field: &str) -> ErrorCode {
        with(field).unwrap_err().code
    }

    #[test]
    fn the_body_stays_byte_for_byte_what_the_client_sent() {
        let text = "{ \"group\":\"g\",\"function\":\"f\",\n\"contract\":1.0, \"priority\": 5, \"input\":{\"n\":12345678901234567890} }";
        let request = parse(text).unwrap();
        assert_eq!(request.body, text);
        assert_eq!(request.lane, LaneKey::new("g", Contract::new(1.0).unwrap()));
        assert_eq!(request.priority, Priority::new(5));
        assert_eq!(request.mode, Mode::Sync);
    }

    #[test]
    fn a_priority_that_means_none_is_cut_out_wherever_it_stands() {
        for text in [
            r#"{"priority":null,"group":"g","function":"f","contract":1}"#,
            r#"{"group":"g", "priority" : 0 , "function":"f","contract":1}"#,
            r#"{"group":"g","function":"f","contract":1,"priority":0}"#,
            r#"{"group":"g","function":"f","contract":1 , "\u0070riority":0 }"#,
            r#"{"priority":0,"group":"g","function":"f","contract":1,"priority":null}"#,
            r#"{"group":"g","function":"f","contract":1,"priority":7,"priority":0}"#,
        ] {
            let request = parse(text).unwrap();
            assert_eq!(request.priority, None);
            let value: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(value, serde_json::json!({"group":"g","function":"f","contract":1}), "{text}");
        }
    }

    #[test]
    fn async_reaches_the_worker_as_sync() {
        let request = with(r#""mode":"async","priority":0,"x":"async""#).unwrap();
        assert_eq!(request.mode, Mode::Async);
        assert_eq!(request.body, r#"{"group":"g","function":"f","contract":1,"mode":"sync","x":"async"}"#);
    }

    #[test]
    fn the_last_of_repeated_fields_counts_as_in_javascript() {
        assert_eq!(with(r#""group":"h""#).unwrap().lane.group.as_ref(), "h");
    }

    #[test]
    fn missing_fields_are_answered_as_by_the_original() {
        for text in [
            r#"{"function":"f","contract":1}"#,
            r#"{"group":"","function":"f","contract":1}"#,
            r#"{"group":"g","function":"f","contract":null}"#,
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                (error.code, error.message.as_str()),
                (ErrorCode::MissingField, "Missing group, function, or contract")
            );
        }
    }

    #[test]
    fn every_mistake_names_its_field() {
        assert_eq!(code(r#""contract":"1""#), ErrorCode::InvalidContract);
        assert_eq!(code(r#""contract":true"#), ErrorCode::InvalidContract);
        assert_eq!(code(r#""group":7"#), ErrorCode::InvalidGroup);
        assert_eq!(code(r#""function":[]"#), ErrorCode::InvalidFunction);
        for priority in ["-1", "1.5", "2097153", "\"1\"", "true", "{}"] {
            assert_eq!(code(&format!(r#""priority":{priority}"#)), ErrorCode::InvalidPriority, "{priority}");
        }
        assert_eq!(code(r#""mode":"batch""#), ErrorCode::InvalidMode);
        assert_eq!(code(r#""mode":1"#), ErrorCode::InvalidMode);
        for webhook in ["null", "{}", r#"{"url":1}"#, r#"{"url":"ftp://h"}"#, r#"{"url":"nowhere"}"#] {
            let error = with(&format!(r#""mode":"webhook","webhook":{webhook}"#)).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (ErrorCode::InvalidWebhook, MISSING_WEBHOOK));
        }
        assert_eq!(code(r#""mode":"webhook","webhook":{"url":"http://h","headers":[]}"#), ErrorCode::InvalidWebhook);
        for key in [r#""""#, r#""a b""#, "1"] {
            let options = format!(r#""options":{{"idempotencyKey":{key}}}"#);
            assert_eq!(code(&options), ErrorCode::InvalidIdempotencyKey, "{key}");
        }
        for options in
            ["[]", r#"{"attempts":0}"#, r#"{"timeoutMs":"1"}"#, r#"{"runAt":"soon"}"#, r#"{"key":1}"#, r#"{"wat":1}"#]
        {
            assert_eq!(code(&format!(r#""options":{options}"#)), ErrorCode::InvalidOptions, "{options}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for text in ["", "{", "[]", "1", "null", "{\"group\":\"g\",}"] {
            assert_eq!(parse(text).unwrap_err().code, ErrorCode::InvalidJson, "{text}");
        }
        assert_eq!(
            TaskRequest::parse(Bytes::from_static(b"{\"a\":\"\xff\"}")).unwrap_err().code,
            ErrorCode::InvalidJson
        );
    }

    #[test]
    fn deep_nesting_in_the_input_is_passed_on() {
        let deep = format!(r#""input":{}1{}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert!(with(&deep).is_ok());
    }

    #[test]
    fn options_and_webhook_are_read() {
        let request = with(r#""mode":"webhook","webhook":{"url":"http://h/x","headers":{"a":"b","n":1}},"options":{"attempts":2,"timeoutMs":50,"delayMs":10,"key":"k","tenant":"t","idempotencyKey":"once"}"#).unwrap();
        let webhook = request.webhook.unwrap();
        assert_eq!(webhook.url.as_ref(), "http://h/x");
        assert_eq!(webhook.headers.len(), 2);
        assert_eq!(request.options.attempts, Some(2));
        assert_eq!(request.options.timeout, Some(std::time::Duration::from_millis(50)));
        assert_eq!(request.options.key.as_deref(), Some("k"));
        assert_eq!(request.options.idempotency_key.unwrap().as_str(), "once");
    }
}
