//! What a client may change of a task that waits.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::request::priority;
use super::{BadRequest, ErrorCode, Priority};

/// A new priority for a task: `{"priority":n|null}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityChange {
    /// The priority to be; `None` takes it away.
    pub priority: Option<Priority>,
}

impl PriorityChange {
    /// Reads a JSON object that has `priority` and nothing else; values are those of `POST /task`.
    pub fn parse(body: &[u8]) -> Result<Self, BadRequest> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body)
            .map_err(|_| BadRequest::new(ErrorCode::InvalidJson, "The body must be a JSON object"))?;
        if let Some(name) = members.keys().find(|name| *name != "priority") {
            return Err(BadRequest::new(
                ErrorCode::UnknownField,
                format!("{name} cannot be changed: only priority can"),
            ));
        }
        let Some(value) = members.get("priority") else {
            return Err(BadRequest::new(ErrorCode::MissingField, "priority is missing"));
        };
        Ok(Self { priority: priority(Some(value))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_priority_or_none() {
        let parsed = |text: &str| PriorityChange::parse(text.as_bytes()).map(|change| change.priority);
        assert_eq!(parsed(r#"{"priority":7}"#), Ok(Priority::new(7)));
        assert_eq!(parsed(r#"{"priority":null}"#), Ok(None));
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for (text, code) in [
            ("", ErrorCode::InvalidJson),
            ("[]", ErrorCode::InvalidJson),
            ("{}", ErrorCode::MissingField),
            (r#"{"priority":1,"mode":"sync"}"#, ErrorCode::UnknownField),
            (r#"{"priority":-1}"#, ErrorCode::InvalidPriority),
            (r#"{"priority":"1"}"#, ErrorCode::InvalidPriority),
        ] {
            assert_eq!(PriorityChange::parse(text.as_bytes()).unwrap_err().code, code, "{text}");
        }
    }
}
