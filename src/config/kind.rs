//! What a variable accepts.

mod measure;
mod size;
mod time;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::{Secret, Source};

pub(super) use size::{GB, KB, Size};
pub(super) use time::{DAY, HOUR, MILLISECOND, MINUTE, SECOND, Time};

/// What a variable accepts, and what becomes of it.
pub(super) trait Kind<T> {
    /// The value is never shown.
    const SECRET: bool = false;
    /// It has to be set: there is no default.
    const REQUIRED: bool = false;

    /// The value of `text`, which has no space around it and is empty only if the default is; `None` refuses it.
    fn parse(&self, text: &str) -> Option<T>;

    /// What [`Kind::parse`] accepts, to follow the words "it must be".
    fn accepted(&self) -> String;

    /// The default, if other variables of `source` ask for another than the variable's own.
    fn implied(&self, _source: &Source) -> Option<&'static str> {
        None
    }
}

/// An IP address.
pub(super) struct Address;

impl Kind<IpAddr> for Address {
    fn parse(&self, text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    fn accepted(&self) -> String {
        "an IP address".to_owned()
    }
}

/// A whole number within a range that fits the setting's type.
pub(super) struct Whole(pub(super) RangeInclusive<u64>);

impl<T: TryFrom<u64>> Kind<T> for Whole {
    fn parse(&self, text: &str) -> Option<T> {
        let number = text.parse().ok().filter(|number| self.0.contains(number))?;
        T::try_from(number).ok()
    }

    fn accepted(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }
}

/// Yes or no.
pub(super) struct Flag;

impl Kind<bool> for Flag {
    fn parse(&self, text: &str) -> Option<bool> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    fn accepted(&self) -> String {
        "true, yes, on or 1, or else false, no, off or 0".to_owned()
    }
}

/// A path. Whether something is there is not checked.
pub(super) struct FilePath;

impl Kind<PathBuf> for FilePath {
    fn parse(&self, text: &str) -> Option<PathBuf> {
        (!text.contains('\0')).then(|| PathBuf::from(text))
    }

    fn accepted(&self) -> String {
        "a path".to_owned()
    }
}

/// A path, or nothing.
pub(super) struct OptionalPath;

impl Kind<Option<PathBuf>> for OptionalPath {
    fn parse(&self, text: &str) -> Option<Option<PathBuf>> {
        if text.is_empty() { Some(None) } else { FilePath.parse(text).map(Some) }
    }

    fn accepted(&self) -> String {
        FilePath.accepted()
    }
}

/// A secret, or nothing.
pub(super) struct OptionalSecret;

impl Kind<Option<Secret>> for OptionalSecret {
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Option<Option<Secret>> {
        Some((!text.is_empty()).then(|| Secret::new(text)))
    }

    fn accepted(&self) -> String {
        "a secret".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_held_to_their_range_and_type() {
        let port = |text| Kind::<u16>::parse(&Whole(0..=65_535), text);
        assert_eq!(port("0"), Some(0));
        assert_eq!(port("65535"), Some(65_535));
        for refused in ["65536", "-1", "4000.5", "4e3", "four", "99999999999999999999"] {
            assert_eq!(port(refused), None, "{refused}");
        }
        assert_eq!(Kind::<u16>::parse(&Whole(0..=100_000), "70000"), None);
    }

    #[test]
    fn flags_have_four_spellings_each_in_any_case() {
        for yes in ["true", "1", "yes", "on", "TRUE", "On"] {
            assert_eq!(Flag.parse(yes), Some(true), "{yes}");
        }
        for no in ["false", "0", "no", "off", "False", "NO"] {
            assert_eq!(Flag.parse(no), Some(false), "{no}");
        }
        assert_eq!(Flag.parse("maybe"), None);
    }

    #[test]
    fn an_optional_path_may_be_absent() {
        assert_eq!(OptionalPath.parse(""), Some(None));
        assert_eq!(OptionalPath.parse("pages"), Some(Some(PathBuf::from("pages"))));
    }
}
