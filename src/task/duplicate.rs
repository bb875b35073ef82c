//! A new task made from another one.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

use super::{BadRequest, ErrorCode, Mode, TaskRequest, TaskSpec};

/// What a duplicate has in place of what its original has: any of `function`, `input`, `priority` and `options`.
#[derive(Clone, Debug, Default)]
pub struct Replacements(BTreeMap<String, Box<RawValue>>);

impl Replacements {
    const NAMES: [&'static str; 4] = ["function", "input", "priority", "options"];

    /// Reads a JSON object of those; no body at all is an empty one.
    pub fn parse(body: &[u8]) -> Result<Self, BadRequest> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body)
            .map_err(|_| BadRequest::new(ErrorCode::InvalidJson, "The body must be a JSON object"))?;
        match members.keys().find(|name| !Self::NAMES.contains(&name.as_str())) {
            Some(name) => {
                let message = format!("{name} cannot be replaced: only {} can", Self::NAMES.join(", "));
                Err(BadRequest::new(ErrorCode::UnknownField, message))
            }
            None => Ok(Self(members)),
        }
    }

    /// The submission that a duplicate of that task is. It stays in the lane, since the worker key is for the workers there; nobody
    /// waits for it, so all but webhook tasks become async; and it repeats nobody's submission, so `idempotencyKey` goes.
    pub fn request(&self, original: &TaskSpec) -> Result<TaskRequest, BadRequest> {
        let unreadable = |_| BadRequest::new(ErrorCode::InvalidJson, "The body of the task cannot be read");
        let mut members: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(&original.body).map_err(unreadable)?;
        let options = members.get("options").map(|options| serde_json::from_str(options.get())).transpose();
        let options: Option<Option<BTreeMap<String, &RawValue>>> = options.map_err(unreadable)?;
        let options = options.flatten().map(|mut options| {
            options.remove("idempotencyKey");
            to_raw_value(&options)
        });
        if let Some(options) = options.transpose().map_err(unreadable)? {
            members.insert("options".to_owned(), options);
        }
        if original.mode != Mode::Webhook {
            members.insert("mode".to_owned(), to_raw_value("async").map_err(unreadable)?);
        }
        members.extend(self.0.clone());
        let request = TaskRequest::parse(serde_json::to_vec(&members).map_err(unreadable)?.into())?;
        if request.options.idempotency_key.is_some() {
            let message = "A duplicate takes no options.idempotencyKey";
            return Err(BadRequest::new(ErrorCode::InvalidIdempotencyKey, message));
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::task::{Priority, TaskId, Timestamp, WorkerKey};

    fn original(text: &str) -> TaskSpec {
        let request = TaskRequest::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let now = Timestamp::from_millis(0);
        TaskSpec {
            id: TaskId::new(now, 1),
            lane: request.lane,
            function: request.function,
            mode: request.mode,
            options: request.options,
            body: request.body,
            worker_key: WorkerKey::new("k"),
            webhook: request.webhook,
            created_at: now,
            expires_at: now,
            resumable: false,
            idempotency: None,
        }
    }

    fn duplicate(of: &str, replacements: &str) -> Result<TaskRequest, BadRequest> {
        Replacements::parse(replacements.as_bytes()).and_then(|own| own.request(&original(of)))
    }

    #[test]
    fn what_is_not_replaced_is_as_it_was() {
        let of = r#"{"group":"g","function":"f","contract":1,"priority":3,"input":{"n":12345678901234567890},"mode":"stream",
            "options":{"tenant":"t","idempotencyKey":"once"},"more":true}"#;
        let request = duplicate(of, "").unwrap();
        assert_eq!((request.mode, request.priority.map(Priority::get)), (Mode::Async, Some(3)));
        assert_eq!((request.options.tenant.as_deref(), request.options.idempotency_key), (Some("t"), None));
        let text = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(text.contains("12345678901234567890") && text.contains(r#""more":true"#), "{text}");
        assert!(!text.contains("once") && !text.contains("stream"), "{text}");
    }

    #[test]
    fn what_is_replaced_is_new_and_nothing_else_can_be() {
        let of = r#"{"group":"g","function":"f","contract":1,"priority":3,"input":{"a":1},"options":{"tenant":"t"}}"#;
        let request =
            duplicate(of, r#"{"function":"h","input":[2],"priority":null,"options":{"attempts":2}}"#).unwrap();
        assert_eq!((request.function.as_ref(), request.priority, request.options.tenant), ("h", None, None));
        assert_eq!(request.options.attempts, Some(2));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["input"], json!([2]));
        for (own, code) in [
            ("[]", ErrorCode::InvalidJson),
            (r#"{"group":"h"}"#, ErrorCode::UnknownField),
            (r#"{"priority":-1}"#, ErrorCode::InvalidPriority),
            (r#"{"options":{"idempotencyKey":"k"}}"#, ErrorCode::InvalidIdempotencyKey),
        ] {
            assert_eq!(duplicate(of, own).unwrap_err().code, code, "{own}");
        }
    }

    #[test]
    fn a_webhook_task_stays_one() {
        let of = r#"{"group":"g","function":"f","contract":1,"mode":"webhook","webhook":{"url":"http://h/x"}}"#;
        let request = duplicate(of, "{}").unwrap();
        assert_eq!((request.mode, request.webhook.map(|hook| hook.url)), (Mode::Webhook, Some("http://h/x".into())));
    }
}
