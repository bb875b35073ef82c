//! Numbers in JSON that are the same when they are read again.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::task::Contract;

/// An `f32`. One that is finite is the JSON number of the same value, with as many digits as a double needs: read in whatever way, it
/// rounds to the same `f32`. Others, which JSON has no word for, are `"inf"`, `"-inf"`, and `"nan:"` with the eight hex digits of their bits.
#[derive(Clone, Copy)]
struct Float(f32);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Word(String),
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value) = *self;
        if value.is_finite() {
            serializer.serialize_f64(value.into())
        } else if value.is_nan() {
            serializer.collect_str(&format_args!("nan:{:08x}", value.to_bits()))
        } else {
            serializer.serialize_str(if value > 0.0 { "inf" } else { "-inf" })
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[expect(clippy::cast_possible_truncation, reason = "it was an f32 when it was written")]
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self(number as f32)),
            Written::Word(word) => match word.as_str() {
                "inf" => Ok(Self(f32::INFINITY)),
                "-inf" => Ok(Self(f32::NEG_INFINITY)),
                word => {
                    let bits = word.strip_prefix("nan:").and_then(|bits| u32::from_str_radix(bits, 16).ok());
                    let value = bits.map(f32::from_bits).filter(|value| value.is_nan());
                    value.map(Self).ok_or_else(|| D::Error::custom(format_args!("{word:?} is no number")))
                }
            },
        }
    }
}

/// For `#[serde(with)]` on an `f32`.
pub(super) mod float {
    use super::{Deserialize, Deserializer, Float, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "so it is called")]
    pub(in crate::policy) fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        Float(*value).serialize(serializer)
    }

    pub(in crate::policy) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        Float::deserialize(deserializer).map(|Float(value)| value)
    }
}

/// For `#[serde(with)]` on a list of `f32`.
pub(super) mod floats {
    use super::{Deserialize, Deserializer, Float, Serializer};

    pub(in crate::policy) fn serialize<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().copied().map(Float))
    }

    pub(in crate::policy) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        Ok(Vec::<Float>::deserialize(deserializer)?.into_iter().map(|Float(value)| value).collect())
    }
}

/// For `#[serde(with)]` on a contract: its text, by which lanes get their numbers. A JSON number may come back a bit off.
pub(super) mod contract {
    use super::{Contract, Deserialize, Deserializer, Error, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "so it is called")]
    pub(in crate::policy) fn serialize<S: Serializer>(value: &Contract, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in crate::policy) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Contract, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn again(value: f32) -> u32 {
        let text = serde_json::to_string(&Float(value)).unwrap();
        serde_json::from_str::<Float>(&text).unwrap().0.to_bits()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn every_float_comes_back_as_it_was(bits in any::<u32>()) {
            prop_assert_eq!(again(f32::from_bits(bits)), bits);
        }

        #[test]
        fn every_contract_comes_back_as_it_was(number in any::<f64>()) {
            #[derive(Serialize, Deserialize)]
            struct One(#[serde(with = "contract")] Contract);
            if let Some(value) = Contract::new(number) {
                let text = serde_json::to_string(&One(value)).unwrap();
                prop_assert_eq!(serde_json::from_str::<One>(&text).unwrap().0, value);
            }
        }
    }

    #[test]
    fn odd_floats_come_back_and_have_words_of_their_own() {
        for value in [0.0, -0.0, f32::MIN_POSITIVE, f32::from_bits(1), f32::MAX, f32::MIN, f32::INFINITY, f32::NAN] {
            assert_eq!(again(value), value.to_bits(), "{value}");
        }
        let text = |value| serde_json::to_string(&Float(value)).unwrap();
        assert_eq!((text(0.5), text(f32::NEG_INFINITY)), ("0.5".to_owned(), "\"-inf\"".to_owned()));
        assert_eq!(text(f32::from_bits(0x7fc0_0001)), "\"nan:7fc00001\"");
        for wrong in ["\"nan:0\"", "\"nan\"", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Float>(wrong).is_err(), "{wrong}");
        }
    }
}
