//! Ends of tasks. The worker's answer is the job's `returnvalue`, JSON as `BullMQ` wants it; the rest is in `anderaEnd`.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::queue::Settlement;
use crate::task::{ErrorCode, StoredResult};

/// The reason by which other tools see that a task was cancelled.
const CANCELLED: &str = "cancelled";

#[derive(Serialize, Deserialize)]
struct About {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultRow {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    form: Form,
}

/// How the body became JSON.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// It is JSON.
    Json,
    /// It is a text, in a string.
    Text,
    /// It is anything, in a string of base64.
    Base64,
}

/// How a task ended, as it is stored.
pub(super) struct Written {
    /// In a word.
    pub(super) code: &'static str,
    /// `failedReason`.
    pub(super) reason: Arc<str>,
    /// `returnvalue`; empty if there was no answer.
    pub(super) result: Bytes,
    /// `anderaEnd`.
    pub(super) about: String,
}

/// The end in a settlement; `None` for a retry.
pub(super) fn write(settlement: &Settlement) -> Option<Written> {
    let (error, code, result) = match settlement {
        Settlement::Complete { result, .. } => (None, None, Some(result)),
        Settlement::Fail { error, code, result, .. } => (Some(error), Some(*code), result.as_ref()),
        Settlement::Cancel { error, code, .. } => (Some(error), Some(*code), None),
        Settlement::Retry { .. } => return None,
    };
    let (row, body) = match result {
        Some(result) => {
            let (form, body) = json_of(&result.body);
            let (status, content_type, truncated) = (result.status, result.content_type.clone(), result.truncated);
            (Some(ResultRow { status, content_type, truncated, form }), body)
        }
        None => (None, Bytes::new()),
    };
    let about = About { code: code.map(|code| code.word().to_owned()), error: error.cloned(), result: row };
    let reason = match settlement {
        Settlement::Cancel { .. } => CANCELLED.into(),
        _ => error.cloned().unwrap_or_default(),
    };
    Some(Written {
        code: code.map_or("", ErrorCode::word),
        reason,
        result: body,
        // Nothing in it can fail.
        about: serde_json::to_string(&about).unwrap_or_default(),
    })
}

fn json_of(body: &Bytes) -> (Form, Bytes) {
    if serde_json::from_slice::<&RawValue>(body).is_ok() {
        return (Form::Json, body.clone());
    }
    let (form, text) = match std::str::from_utf8(body) {
        Ok(text) => (Form::Text, text.to_owned()),
        Err(_) => (Form::Base64, BASE64_STANDARD.encode(body)),
    };
    (form, serde_json::Value::String(text).to_string().into())
}

/// How a task ended, read back.
#[derive(Default)]
pub(super) struct End {
    pub(super) result: Option<StoredResult>,
    pub(super) error: Option<Arc<str>>,
    pub(super) code: Option<ErrorCode>,
}

/// Reads an end of ours.
pub(super) fn read(about: &[u8], result: Option<Bytes>) -> End {
    let Ok(about) = serde_json::from_slice::<About>(about) else { return End::default() };
    let result = about.result.zip(result).map(|(row, body)| StoredResult {
        status: row.status,
        content_type: row.content_type,
        body: body_of(row.form, body),
        truncated: row.truncated,
    });
    // A word that this version does not know any more is an error of some kind still.
    let code = about.code.map(|word| ErrorCode::from_word(&word).unwrap_or(ErrorCode::Internal));
    End { result, error: about.error, code }
}

fn body_of(form: Form, json: Bytes) -> Bytes {
    let text = || serde_json::from_slice::<String>(&json).unwrap_or_default();
    match form {
        Form::Json => json,
        Form::Text => text().into(),
        Form::Base64 => BASE64_STANDARD.decode(text()).unwrap_or_default().into(),
    }
}

/// The end that a worker of another tool gave a task.
pub(super) fn foreign(completed: bool, reason: Option<String>, result: Option<Bytes>) -> End {
    if completed {
        let body = result.unwrap_or_else(|| Bytes::from_static(b"null"));
        let content_type = Some("application/json".into());
        return End {
            result: Some(StoredResult { status: 200, content_type, body, truncated: false }),
            ..End::default()
        };
    }
    let reason = reason.unwrap_or_default();
    let code = if reason == CANCELLED { ErrorCode::Cancelled } else { ErrorCode::WorkerFailed };
    End { result: None, error: Some(reason.into()), code: Some(code) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::conformance::attempt;

    #[test]
    fn an_answer_is_json_whatever_it_was_and_reads_back() {
        for (body, json) in [
            (&b"{\"a\": 1}"[..], "{\"a\": 1}"),
            (b"not \"json\"", r#""not \"json\"""#),
            (b"", "\"\""),
            (b"\xff\x00", r#""/wA=""#),
        ] {
            let body = Bytes::copy_from_slice(body);
            let result = StoredResult { status: 201, content_type: None, body, truncated: true };
            let written = write(&Settlement::Complete { attempt: attempt(1), result: result.clone() }).unwrap();
            assert_eq!(written.result, json);
            assert_eq!(read(written.about.as_bytes(), Some(written.result)).result, Some(result));
        }
    }
}
