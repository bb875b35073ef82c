//! The declared parameters of a function, read out of `input` in one pass.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::function::Parameter;
use super::refusal::Refusal;

/// Values by the number of the declared parameter; parameters that are not declared are passed over.
pub(super) struct Arguments<'a>(SmallVec<[Option<&'a RawValue>; 4]>);

impl<'a> Arguments<'a> {
    /// Refuses an input that is no object, and values of the wrong type.
    pub(super) fn read(input: Option<&'a RawValue>, parameters: &'static [Parameter]) -> Result<Self, Refusal> {
        let empty = SmallVec::from_elem(None, parameters.len());
        let Some(input) = input else { return Ok(Self(empty)) };
        if !input.get().starts_with('{') {
            return Err(Refusal::Input);
        }
        if parameters.is_empty() {
            return Ok(Self(empty));
        }
        let mut json = serde_json::Deserializer::from_str(input.get());
        let values = json.deserialize_map(Input { parameters, values: empty }).map_err(|_| Refusal::Input)?;
        for (value, parameter) in values.iter().zip(parameters) {
            if value.is_some_and(|value| !parameter.kind.fits(value.get())) {
                return Err(Refusal::Argument { name: parameter.name, kind: parameter.kind });
            }
        }
        Ok(Self(values))
    }

    /// The JSON text of a value.
    pub(super) fn raw(&self, number: usize) -> Option<&'a str> {
        self.0.get(number).copied().flatten().map(RawValue::get)
    }

    /// A text, unescaped.
    pub(super) fn text(&self, number: usize) -> Option<String> {
        serde_json::from_str(self.raw(number)?).ok()
    }

    /// A number without its fraction; one below 0 counts as 0.
    pub(super) fn whole(&self, number: usize) -> Option<u64> {
        let value: f64 = self.raw(number)?.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, as documented")]
        Some(value as u64)
    }
}

struct Input<'a> {
    parameters: &'static [Parameter],
    values: SmallVec<[Option<&'a RawValue>; 4]>,
}

impl<'de> Visitor<'de> for Input<'de> {
    type Value = SmallVec<[Option<&'de RawValue>; 4]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(number) = map.next_key_seed(Name(self.parameters))? {
            match number.and_then(|number| self.values.get_mut(number)) {
                Some(value) => *value = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(self.values)
    }
}

/// Reads a name as the number of the declared parameter.
struct Name(&'static [Parameter]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|parameter| parameter.name == name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::function::{Function, Kind};
    use super::*;

    fn read(input: &RawValue, function: Function) -> Result<Arguments<'_>, Refusal> {
        Arguments::read(Some(input), function.parameters())
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn reads_declared_parameters_and_passes_over_others() {
        let input = raw(r#"{"status":429.9,"x":{"times":1},"message":"a\"b","times":-1}"#);
        let arguments = read(&input, Function::Fail).unwrap();
        assert_eq!(arguments.text(0).as_deref(), Some("a\"b"));
        assert_eq!([1, 2, 3].map(|n| arguments.whole(n)), [Some(0), Some(429), None]);
    }

    #[test]
    fn refuses_what_is_no_object_and_values_of_the_wrong_type() {
        for input in ["null", "[]", "1", r#""x""#] {
            assert_eq!(read(&raw(input), Function::Echo).err(), Some(Refusal::Input), "{input}");
        }
        for input in [r#"{"name":null}"#, r#"{"name":1}"#, r#"{"name":["x"]}"#] {
            let refusal = Refusal::Argument { name: "name", kind: Kind::Text };
            assert_eq!(read(&raw(input), Function::Hello).err(), Some(refusal), "{input}");
        }
        assert!(read(&raw(r#"{"ms":"1"}"#), Function::Sleep).is_err());
    }
}
