//! Names of policies.

use std::str::FromStr;

/// Longer ones are accepted by no file system together with what is added to them.
const LONGEST: usize = 64;

/// A name that a policy, a crate, a package of npm and a file may have: small letters, digits and single hyphens, a letter first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PolicyName(String);

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "a name is made of small letters, digits and single hyphens, begins with a letter, and has at most {LONGEST} characters{hint}"
)]
pub(super) struct BadName {
    hint: String,
}

impl PolicyName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PolicyName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if fits(text) {
            return Ok(Self(text.to_owned()));
        }
        let similar = similar(text);
        let hint = if fits(&similar) { format!("; {similar} would do") } else { String::new() };
        Err(BadName { hint })
    }
}

fn fits(text: &str) -> bool {
    let has_only = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    text.len() <= LONGEST
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(has_only)
        && !text.ends_with('-')
        && !text.contains("--")
}

/// The name that was probably meant.
fn similar(text: &str) -> String {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_every_language_accepts() {
        for name in ["a", "least-used", "v2", "fn", "a-1"] {
            assert_eq!(name.parse::<PolicyName>().unwrap().as_str(), name);
        }
        let too_long = "a".repeat(LONGEST + 1);
        for name in
            ["", "-", "a-", "-a", "a--b", "2fast", "Mine", "my_policy", "a/b", "../a", ".a", "a b", "ä", &too_long]
        {
            assert!(name.parse::<PolicyName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_name_that_was_meant_is_told() {
        let told = |name: &str| name.parse::<PolicyName>().unwrap_err().to_string();
        assert!(told("My_Policy").ends_with("; my-policy would do"), "{}", told("My_Policy"));
        assert!(told("2fast").ends_with("characters"), "{}", told("2fast"));
    }
}
