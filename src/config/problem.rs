//! What is wrong with a configuration.

use std::fmt;

/// How much of a refused value is shown.
const SHOWN_CHARACTERS: usize = 80;

/// Something wrong with the configuration, to be shown as one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The variable, or `.env` for the file itself.
    pub variable: String,
    /// The value if it is no secret, and what is accepted.
    pub text: String,
}

impl Problem {
    /// A problem with `variable`; `text` is one line.
    pub fn new(variable: impl Into<String>, text: impl Into<String>) -> Self {
        Self { variable: variable.into(), text: text.into() }
    }

    /// `value` is not among what is `accepted`.
    pub(super) fn refused(variable: &str, value: &str, accepted: &str) -> Self {
        // Debug form: a value with a newline must not become a second line.
        let shown: String = value.chars().take(SHOWN_CHARACTERS).collect();
        let rest = if shown.len() < value.len() { "…" } else { "" };
        Self::new(variable, format!("{shown:?}{rest} is refused, it must be {accepted}"))
    }

    /// The value, a secret, is not among what is `accepted`.
    pub(super) fn refused_secret(variable: &str, accepted: &str) -> Self {
        Self::new(variable, format!("the value is refused, it must be {accepted}"))
    }

    /// `variable` has to be set.
    pub(super) fn missing(variable: &str, accepted: &str) -> Self {
        Self::new(variable, format!("is required but not set, it must be {accepted}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.text)
    }
}
