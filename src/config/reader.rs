//! Reading variables one by one, keeping every problem and a list of what was read.

use super::kind::Kind;
use super::{Origin, Problem, Source};

/// A variable as its section describes it.
pub(super) struct Variable {
    /// The name.
    pub(super) name: &'static str,
    /// The default as text; `$OTHER` for the value of a variable read before, empty for none.
    pub(super) default: &'static str,
    /// The lines of its doc comment.
    pub(super) about: &'static [&'static str],
}

/// One variable with its value, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// The lines that describe its section.
    pub section: &'static [&'static str],
    /// The lines that describe it.
    pub about: &'static [&'static str],
    /// The value as it was given or by default; `***` for a secret, empty if unset.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
    /// It has to be set.
    pub required: bool,
}

/// Reads variables from a source.
pub(super) struct Reader<'a> {
    source: &'a Source,
    section: &'static [&'static str],
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, section: &[], settings: Vec::new(), problems: source.problems().to_vec() }
    }

    /// The variables read from here on belong to the section of that description.
    pub(super) fn section(&mut self, about: &'static [&'static str]) {
        self.section = about;
    }

    /// The value of a variable; `None` if it is refused, for which a problem is noted.
    pub(super) fn read<T, K: Kind<T>>(&mut self, variable: &Variable, kind: &K) -> Option<T> {
        let name = variable.name;
        let (text, origin) = match self.source.get(name) {
            Some((text, origin)) => (text.to_owned(), origin),
            None => {
                (kind.implied(self.source).map_or_else(|| self.default_of(variable), str::to_owned), Origin::Default)
            }
        };
        let value = kind.parse(&text);
        // A default taken from another variable is refused for that one's fault, which is a problem already.
        let borrowed = origin == Origin::Default && variable.default.starts_with('$');
        if self.source.is_undecodable(name) {
            self.problems.push(Problem::new(name, "the value is not UTF-8 text"));
        } else if value.is_none() && !borrowed {
            self.problems.push(match text.as_str() {
                "" => Problem::missing(name, &kind.accepted()),
                _ if K::SECRET => Problem::refused_secret(name, &kind.accepted()),
                text => Problem::refused(name, text, &kind.accepted()),
            });
        }
        self.settings.push(Setting {
            name,
            section: self.section,
            about: variable.about,
            value: if K::SECRET && !text.is_empty() { "***".to_owned() } else { text },
            origin,
            required: K::REQUIRED,
        });
        value
    }

    /// What was read, in order, and every problem.
    pub(super) fn finish(self) -> (Vec<Setting>, Vec<Problem>) {
        (self.settings, self.problems)
    }

    fn default_of(&self, variable: &Variable) -> String {
        let Some(other) = variable.default.strip_prefix('$') else { return variable.default.to_owned() };
        self.settings
            .iter()
            .find(|setting| setting.name == other)
            .map(|setting| setting.value.clone())
            .unwrap_or_default()
    }
}
