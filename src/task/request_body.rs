//! The routing fields of a body, and small edits to it that leave every other byte alone.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

/// The fields that the balancer reads, as slices of the body. Of repeated fields the last counts, as in JavaScript.
#[derive(Default)]
pub(super) struct RoutingFields<'a> {
    pub(super) group: Option<&'a RawValue>,
    pub(super) function: Option<&'a RawValue>,
    pub(super) contract: Option<&'a RawValue>,
    /// All of them: whoever cuts the field out must cut every one.
    pub(super) priority: SmallVec<[Member<'a>; 1]>,
    pub(super) mode: Option<&'a RawValue>,
    pub(super) webhook: Option<&'a RawValue>,
    pub(super) options: Option<&'a RawValue>,
}

/// A member of the body's object.
pub(super) struct Member<'a> {
    pub(super) value: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Group,
    Function,
    Contract,
    Priority,
    Mode,
    Webhook,
    Options,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for RoutingFields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = RoutingFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = RoutingFields::default();
                while let Some(field) = map.next_key::<Field>()? {
                    match field {
                        Field::Group => fields.group = Some(map.next_value()?),
                        Field::Function => fields.function = Some(map.next_value()?),
                        Field::Contract => fields.contract = Some(map.next_value()?),
                        Field::Priority => fields.priority.push(Member { value: map.next_value()? }),
                        Field::Mode => fields.mode = Some(map.next_value()?),
                        Field::Webhook => fields.webhook = Some(map.next_value()?),
                        Field::Options => fields.options = Some(map.next_value()?),
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl Member<'_> {
    /// Where the value stands in `text`, which it is a slice of.
    pub(super) fn value_span(&self, text: &str) -> Range<usize> {
        let start = self.value.get().as_ptr() as usize - text.as_ptr() as usize;
        start..start + self.value.get().len()
    }

    /// Where the member stands in `text`, with the comma that would be left over without it.
    pub(super) fn span_with_comma(&self, text: &str) -> Range<usize> {
        let value = self.value_span(text);
        let bytes = text.as_bytes();
        let blank = |at: &usize| bytes[*at].is_ascii_whitespace();
        let before = |end: usize| (0..end).rev().find(|at| !blank(at)).unwrap_or(0);

        // Before the value stand a colon and the name. A name that reads as a field of ours holds no quote, escaped or not.
        let colon = before(value.start);
        let closing_quote = before(colon);
        let name = text[..closing_quote].rfind('"').unwrap_or(0);

        let after = (value.end..bytes.len()).find(|at| !blank(at)).unwrap_or(bytes.len());
        if bytes.get(after) == Some(&b',') {
            return name..after + 1;
        }
        let previous = before(name);
        let start = if bytes[previous] == b',' { previous } else { name };
        start..value.end
    }
}

/// `text` with the given spans (in order) replaced. Spans that overlap are merged.
pub(super) fn splice(text: &str, edits: Vec<(Range<usize>, &str)>) -> Bytes {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for (span, replacement) in edits {
        out.extend_from_slice(&text.as_bytes()[at..span.start.max(at)]);
        out.extend_from_slice(replacement.as_bytes());
        at = span.end.max(at);
    }
    out.extend_from_slice(&text.as_bytes()[at..]);
    out.into()
}
