//! A submission that comes by way of a lane: what the lane says of it need not be said again.

use bytes::Bytes;
use serde_json::Value;

use super::request::BadRequest;
use super::request_body::{Member, RoutingFields, splice};
use super::{ErrorCode, LaneKey, TaskRequest};

impl TaskRequest {
    /// Reads a submission to that lane. Group, contract and function may be missing, and are added to the body, for the worker wants them;
    /// a group or contract of another lane is refused.
    pub fn parse_in(lane: &LaneKey, function: &str, body: Bytes) -> Result<Self, BadRequest> {
        let completed = complete(lane, function, &body);
        let request = Self::parse(completed.unwrap_or(body))?;
        if request.lane == *lane {
            return Ok(request);
        }
        let message = "group and contract must be those of the queue, or left out";
        Err(BadRequest::new(ErrorCode::InvalidGroup, message))
    }
}

/// The body with what was missing; `None` if nothing was, or it is no object.
fn complete(lane: &LaneKey, function: &str, body: &Bytes) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let fields: RoutingFields<'_> = serde_json::from_str(text).ok()?;
    let contract = serde_json::to_string(&lane.contract).ok()?;
    let known = [
        ("group", fields.group, Value::from(&*lane.group).to_string()),
        ("contract", fields.contract, contract),
        ("function", fields.function, Value::from(function).to_string()),
    ];
    let (mut added, mut edits) = (Vec::new(), Vec::new());
    for (name, given, value) in &known {
        match given {
            None => added.push(format!("\"{name}\":{value}")),
            Some(given) if given.get() == "null" => {
                edits.push((Member { value: given }.value_span(text), value.as_str()));
            }
            Some(_) => {}
        }
    }
    let inside = text.find('{')? + 1;
    let is_empty = text[inside..].trim_start().starts_with('}');
    let separator = if added.is_empty() || is_empty { "" } else { "," };
    let added = added.join(",") + separator;
    edits.push((inside..inside, &added));
    edits.sort_by_key(|(span, _)| span.start);
    Some(splice(text, edits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Contract;

    fn read(body: &str) -> Result<TaskRequest, BadRequest> {
        let lane = LaneKey::new("a \"b\"", Contract::new(1.5).unwrap());
        TaskRequest::parse_in(&lane, "paint", Bytes::copy_from_slice(body.as_bytes()))
    }

    fn body(text: &str) -> String {
        String::from_utf8(read(text).unwrap().body.to_vec()).unwrap()
    }

    #[test]
    fn what_the_lane_says_is_added_and_the_rest_is_left_as_it_is() {
        let head = r#"{"group":"a \"b\"","contract":1.5,"function":"paint""#;
        assert_eq!(body("{}"), format!("{head}}}"));
        assert_eq!(body(r#" { "input": {"n":1.00} }"#), format!(r#" {head}, "input": {{"n":1.00}} }}"#));
        let whole = r#"{"function":"f","group":"a \"b\"","contract":1.5e0,"input":{}}"#;
        assert_eq!(body(whole), whole);
        assert_eq!(&*read(whole).unwrap().function, "f");
        let nothing = r#"{"contract":null,"function":"f","group":null}"#;
        assert_eq!(body(nothing), r#"{"contract":1.5,"function":"f","group":"a \"b\""}"#);
    }

    #[test]
    fn what_contradicts_the_lane_is_refused() {
        for (text, reason) in [
            (r#"{"group":"c"}"#, "must be those of the queue"),
            (r#"{"contract":2}"#, "must be those of the queue"),
            (r#"{"contract":"1.5"}"#, "contract must be a number"),
            ("[]", "not a JSON object"),
            ("7", "not a JSON object"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.message.contains(reason), "{text}: {}", refused.message);
        }
    }
}
