//! The items of a batch, as slices of its body.

use std::fmt;

use http::HeaderMap;
use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::{ApiError, body};
use crate::task::ErrorCode;

/// The most items of a batch.
const MAX_ITEMS: usize = 10_000;

/// How the items of a batch are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As a JSON array.
    Array,
    /// One a line (`application/x-ndjson`).
    Lines,
}

impl Form {
    /// By the content type.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        if body::essence(headers) == "application/x-ndjson" {
            Ok(Self::Lines)
        } else if body::is_json(headers) {
            Ok(Self::Array)
        } else {
            let message = "The content type must be application/json or application/x-ndjson";
            Err(ApiError::new(ErrorCode::UnsupportedMediaType, message))
        }
    }

    /// The items, blanks around them left out. Those of an array are JSON, a line may be anything.
    pub(super) fn items(self, text: &[u8]) -> Result<Vec<&[u8]>, ApiError> {
        let items = match self {
            Self::Array => array(text)?,
            Self::Lines => {
                let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
                lines.take(MAX_ITEMS + 1).collect()
            }
        };
        if items.len() > MAX_ITEMS {
            let message = format!("A batch has at most {MAX_ITEMS} items");
            return Err(ApiError::new(ErrorCode::BatchTooLarge, message));
        }
        Ok(items)
    }
}

fn array(text: &[u8]) -> Result<Vec<&[u8]>, ApiError> {
    let invalid = |problem: &dyn fmt::Display| {
        ApiError::new(ErrorCode::InvalidJson, format!("The body is not a JSON array: {problem}"))
    };
    let text = std::str::from_utf8(text).map_err(|error| invalid(&error))?;
    let Items(items) = serde_json::from_str(text).map_err(|error| invalid(&error))?;
    Ok(items.into_iter().map(|item| item.get().as_bytes()).collect())
}

/// The elements of an array, up to one more than there may be.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> Visitor<'de> for Elements {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() <= MAX_ITEMS {
                    let Some(item) = sequence.next_element()? else { return Ok(Items(items)) };
                    items.push(item);
                }
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Items(items))
            }
        }

        deserializer.deserialize_seq(Elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(form: Form, text: &str) -> Vec<String> {
        let items = form.items(text.as_bytes()).unwrap();
        items.into_iter().map(|item| String::from_utf8(item.to_vec()).unwrap()).collect()
    }

    fn code(form: Form, text: &str) -> ErrorCode {
        form.items(text.as_bytes()).unwrap_err().into_parts().1
    }

    #[test]
    fn elements_of_an_array_stay_as_they_are_written() {
        assert_eq!(items(Form::Array, "[ {\"a\" : 1e0},\n7 , \"]\" ]"), ["{\"a\" : 1e0}", "7", "\"]\""]);
        assert!(items(Form::Array, " [] ").is_empty());
    }

    #[test]
    fn lines_stay_as_they_are_written_and_empty_ones_are_left_out() {
        assert_eq!(items(Form::Lines, "{\"a\": 1}\r\n\n  \nno json\n"), ["{\"a\": 1}", "no json"]);
        assert!(items(Form::Lines, "\n").is_empty());
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for text in ["", "{}", "[", "[1,]", "[1] 2", "null"] {
            assert_eq!(code(Form::Array, text), ErrorCode::InvalidJson, "{text}");
        }
        assert!(Form::Array.items(b"[\"\xff\"]").is_err());
    }

    #[test]
    fn ten_thousand_items_are_the_most() {
        for (form, between) in [(Form::Array, ","), (Form::Lines, "\n")] {
            let text = |count: usize| {
                let inner = vec!["1"; count].join(between);
                if form == Form::Array { format!("[{inner}]") } else { inner }
            };
            assert_eq!(items(form, &text(10_000)).len(), 10_000);
            assert_eq!(code(form, &text(10_001)), ErrorCode::BatchTooLarge);
            assert_eq!(code(form, &text(20_000)), ErrorCode::BatchTooLarge);
        }
    }
}
