//! The checks of `POST /task`, in the order in which a real worker makes them.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::call::Call;
use super::function::Function;
use super::refusal::Refusal;
use super::task_body::TaskBody;
use super::webhook::Target;
use super::worker::Worker;
use crate::task::{Contract, Mode, Priority};

/// The balancer's id of a task.
const TASK_ID: HeaderName = HeaderName::from_static("x-task-id");

/// A task that may run.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: Option<HeaderValue>,
    pub(super) function: Function,
    pub(super) call: Call,
    pub(super) priority: Option<Priority>,
    pub(super) delivery: Delivery,
}

/// Where the result goes.
#[derive(Debug)]
pub(super) enum Delivery {
    Answer,
    Stream,
    Webhook(Target),
}

impl Task {
    /// Empty if the task came without an id.
    pub(super) fn id(&self) -> &str {
        text(self.id.as_ref())
    }
}

/// The id of the task that these headers belong to.
pub(super) fn task_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(TASK_ID)
}

/// A header's text; empty if it is not there or not ASCII.
pub(super) fn text(value: Option<&HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Checks a request. The body is read before, so that the connection stays usable after a refusal.
pub(super) fn admit(worker: &Worker, headers: &HeaderMap, body: Result<&Bytes, Refusal>) -> Result<Task, Refusal> {
    if !worker.keys.worker_is_in(headers) || !worker.keys.balancer_is_in(headers) {
        return Err(Refusal::Unauthorized);
    }
    if worker.in_maintenance() {
        return Err(Refusal::Maintenance);
    }
    let body = body?;
    if !is_json(headers) {
        return Err(Refusal::ContentType);
    }
    let body: TaskBody<'_> = serde_json::from_slice(body).map_err(|error| Refusal::Json(error.to_string()))?;
    if number(body.contract).and_then(Contract::new) != Some(worker.contract) {
        return Err(Refusal::Contract(worker.contract));
    }
    let function = function(&body)?;
    let priority = priority(body.priority)?;
    let mode = mode(body.mode)?;
    let call = Call::new(function, body.input)?.paced(worker.pace);
    let delivery = match mode {
        Mode::Stream if !function.streams() => return Err(Refusal::NoStream(function)),
        Mode::Stream => Delivery::Stream,
        Mode::Webhook => Delivery::Webhook(Target::read(body.webhook)?),
        Mode::Sync | Mode::Async => Delivery::Answer,
    };
    Ok(Task { id: task_id(headers).cloned(), function, call, priority, delivery })
}

fn is_json(headers: &HeaderMap) -> bool {
    const JSON: &[u8] = b"application/json";
    let Some((media_type, parameters)) =
        headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().split_at_checked(JSON.len()))
    else {
        return false;
    };
    media_type.eq_ignore_ascii_case(JSON) && matches!(parameters.trim_ascii_start(), [] | [b';', ..])
}

fn number(value: Option<&RawValue>) -> Option<f64> {
    serde_json::from_str(value?.get()).ok()
}

fn function(body: &TaskBody<'_>) -> Result<Function, Refusal> {
    let name = body.function.map_or("", RawValue::get);
    // A name of ours needs no escapes, so the plain comparison nearly always ends it.
    let plain = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or_default();
    Function::from_name(plain)
        .or_else(|| Function::from_name(&body.function_name()?))
        .ok_or_else(|| Refusal::Function(body.function_name().unwrap_or_else(|| name.to_owned())))
}

fn priority(value: Option<&RawValue>) -> Result<Option<Priority>, Refusal> {
    if value.is_none() {
        return Ok(None);
    }
    let number =
        number(value).filter(|number| number.fract() == 0.0 && (1.0..=f64::from(Priority::MAX)).contains(number));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within the bounds by then")]
    let priority = number.and_then(|number| Priority::new(number as u32));
    priority.map(Some).ok_or(Refusal::Priority)
}

fn mode(value: Option<&RawValue>) -> Result<Mode, Refusal> {
    let Some(value) = value else { return Ok(Mode::Sync) };
    match serde_json::from_str::<String>(value.get()).ok().and_then(|name| Mode::from_name(&name)) {
        Some(Mode::Async) | None => Err(Refusal::Mode),
        Some(mode) => Ok(mode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_priority_is_a_whole_number_from_1_to_2097152() {
        assert_eq!(priority(None), Ok(None));
        for good in ["1", "5.0", "2097152"] {
            assert!(priority(Some(&raw(good))).unwrap().is_some(), "{good}");
        }
        for bad in ["null", "0", "-1", "1.5", "2097153", "\"1\"", "true", "[1]"] {
            assert_eq!(priority(Some(&raw(bad))), Err(Refusal::Priority), "{bad}");
        }
    }

    #[test]
    fn a_mode_is_sync_stream_or_webhook() {
        assert_eq!(mode(None), Ok(Mode::Sync));
        for good in ["sync", "stream", "webhook"] {
            assert!(mode(Some(&raw(&format!("\"{good}\"")))).is_ok(), "{good}");
        }
        for bad in ["null", "\"async\"", "\"Sync\"", "\"\"", "1"] {
            assert_eq!(mode(Some(&raw(bad))), Err(Refusal::Mode), "{bad}");
        }
    }

    #[test]
    fn only_json_is_json() {
        let headers = |value: &'static str| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/json;charset=utf-8"] {
            assert!(is_json(&headers(good)), "{good}");
        }
        for bad in ["application/jsonp", "text/plain", ""] {
            assert!(!is_json(&headers(bad)), "{bad}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
