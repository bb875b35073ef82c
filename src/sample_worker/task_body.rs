//! The fields of a task that a worker reads.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Slices of the body. A field that is `null` is there. Of repeated fields the last counts, as in JavaScript; unknown ones are
/// passed over.
#[derive(Debug, Default)]
pub(super) struct TaskBody<'a> {
    pub(super) function: Option<&'a RawValue>,
    pub(super) contract: Option<&'a RawValue>,
    pub(super) priority: Option<&'a RawValue>,
    pub(super) mode: Option<&'a RawValue>,
    pub(super) webhook: Option<&'a RawValue>,
    pub(super) input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Function,
    Contract,
    Priority,
    Mode,
    Webhook,
    Input,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for TaskBody<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = TaskBody<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut body = TaskBody::default();
                while let Some(field) = map.next_key::<Field>()? {
                    let target = match field {
                        Field::Function => &mut body.function,
                        Field::Contract => &mut body.contract,
                        Field::Priority => &mut body.priority,
                        Field::Mode => &mut body.mode,
                        Field::Webhook => &mut body.webhook,
                        Field::Input => &mut body.input,
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *target = Some(map.next_value()?);
                }
                Ok(body)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl TaskBody<'_> {
    /// The function's name, if it is a text.
    pub(super) fn function_name(&self) -> Option<String> {
        serde_json::from_str(self.function?.get()).ok()
    }
}
