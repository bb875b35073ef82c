//! The functions of the worker and the parameters they declare.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

/// A function of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// Greets.
    Hello,
    /// Takes its time.
    Sleep,
    /// Gives its input back.
    Echo,
    /// Fails.
    Fail,
    /// Counts down, in a stream if wanted.
    Countdown,
    /// Gives a large result.
    Big,
}

/// The JSON type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
}

/// A declared parameter. None is required.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    default: Preset,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
enum Preset {
    None,
    Text(&'static str),
    Number(u32),
}

impl Function {
    const ALL: [Self; 6] = [Self::Hello, Self::Sleep, Self::Echo, Self::Fail, Self::Countdown, Self::Big];

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Sleep => "sleep",
            Self::Echo => "echo",
            Self::Fail => "fail",
            Self::Countdown => "countdown",
            Self::Big => "big",
        }
    }

    /// Whether the function can be called in mode `stream`.
    pub(super) const fn streams(self) -> bool {
        matches!(self, Self::Countdown)
    }

    /// In the order in which [`super::arguments::Arguments`] numbers them.
    pub(super) const fn parameters(self) -> &'static [Parameter] {
        const fn text(name: &'static str, default: Preset) -> Parameter {
            Parameter { name, kind: Kind::Text, default }
        }
        const fn number(name: &'static str, default: Preset) -> Parameter {
            Parameter { name, kind: Kind::Number, default }
        }
        match self {
            Self::Hello => const { &[text("name", Preset::Text("World"))] },
            Self::Sleep => const { &[number("ms", Preset::Number(1000))] },
            Self::Echo => &[],
            Self::Fail => {
                const {
                    &[
                        text("message", Preset::None),
                        number("times", Preset::None),
                        number("status", Preset::None),
                        number("retryAfter", Preset::None),
                    ]
                }
            }
            Self::Countdown => {
                const {
                    &[
                        number("from", Preset::Number(5)),
                        number("ms", Preset::Number(200)),
                        number("abortAt", Preset::None),
                    ]
                }
            }
            Self::Big => const { &[number("bytes", Preset::Number(1000))] },
        }
    }
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
        }
    }

    /// Whether a JSON text without blanks around it is of this type.
    pub(super) fn fits(self, json: &str) -> bool {
        match self {
            Self::Text => json.starts_with('"'),
            Self::Number => json.starts_with(|first: char| first == '-' || first.is_ascii_digit()),
        }
    }
}

/// All functions as `/health` shows them.
pub(super) fn declarations() -> serde_json::Result<Box<RawValue>> {
    #[derive(Serialize)]
    struct Declaration {
        name: &'static str,
        params: Parameters,
    }
    let all: Vec<_> = Function::ALL
        .into_iter()
        .map(|function| Declaration { name: function.name(), params: Parameters(function.parameters()) })
        .collect();
    serde_json::value::to_raw_value(&all)
}

struct Parameters(&'static [Parameter]);

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shape {
            r#type: &'static str,
            required: bool,
            #[serde(skip_serializing_if = "Preset::is_none")]
            default: Preset,
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Parameter { name, kind, default } in self.0 {
            map.serialize_entry(name, &Shape { r#type: kind.name(), required: false, default: *default })?;
        }
        map.end()
    }
}

impl Preset {
    const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declares_functions_as_the_protocol_shows_them() {
        let all: serde_json::Value = serde_json::from_str(declarations().unwrap().get()).unwrap();
        assert_eq!(
            all[0],
            serde_json::json!({"name":"hello","params":{"name":{"type":"string","required":false,"default":"World"}}})
        );
        assert_eq!(all[2], serde_json::json!({"name":"echo","params":{}}));
        assert_eq!(all[3]["params"]["times"], serde_json::json!({"type":"number","required":false}));
    }

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in Function::ALL {
            assert_eq!(Function::from_name(function.name()), Some(function));
        }
        assert_eq!(Function::from_name("Hello"), None);
    }
}
