//! What the script answers, taken apart.

use bytes::Bytes;
use redis::Value;

use crate::queue::QueueError;
use crate::task::lane_name;
use crate::task::{LaneKey, TaskId};

/// What a list answered by the script holds, from its beginning on.
pub(super) struct Answer(std::vec::IntoIter<Value>);

fn unexpected(what: &str) -> QueueError {
    QueueError::Unavailable(format!("what is stored is not as it should be: {what}"))
}

impl Answer {
    /// The list in an answer; `None` if there is none.
    pub(super) fn list(value: Value) -> Option<Self> {
        match value {
            Value::Array(values) => Some(Self(values.into_iter())),
            _ => None,
        }
    }

    /// The list in an answer.
    pub(super) fn expect(value: Value) -> Result<Self, QueueError> {
        Self::list(value).ok_or_else(|| unexpected("no list"))
    }

    pub(super) fn value(&mut self) -> Value {
        self.0.next().unwrap_or(Value::Nil)
    }

    pub(super) fn bytes(&mut self) -> Option<Bytes> {
        match self.value() {
            Value::BulkString(bytes) => Some(bytes.into()),
            Value::SimpleString(text) => Some(text.into()),
            Value::Int(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.into()).ok()
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.text()?.parse().ok()
    }

    pub(super) fn some_text(&mut self, what: &str) -> Result<String, QueueError> {
        self.text().ok_or_else(|| unexpected(what))
    }

    pub(super) fn some_number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, QueueError> {
        self.number().ok_or_else(|| unexpected(what))
    }

    pub(super) fn lane(&mut self) -> Result<LaneKey, QueueError> {
        let name = self.some_text("lane")?;
        lane_name::parse(&name).ok_or_else(|| unexpected(&name))
    }

    pub(super) fn id(&mut self) -> Result<TaskId, QueueError> {
        let id = self.some_text("task id")?;
        id.parse().map_err(|_| unexpected(&id))
    }
}

impl Iterator for Answer {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        self.0.next()
    }
}

/// The word in an answer.
pub(super) fn word(value: &Value) -> &str {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        Value::SimpleString(text) => text,
        _ => "",
    }
}

/// The number in an answer.
pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// A word that the script does not say.
pub(super) fn no_word<T>(value: &Value) -> Result<T, QueueError> {
    Err(unexpected(word(value)))
}
