//! The configuration as people see it.

use std::fmt::{self, Write};

use super::reader::Reader;
use super::{Setting, Settings, Source};

/// Every variable with its value and where that came from, in a fixed order, grouped by section.
///
/// Shown (`Display`) in the syntax of `.env`: one `NAME=value # origin` a line, a comment above each section, secrets as `***`.
#[derive(Clone, Debug)]
pub struct Effective {
    settings: Vec<Setting>,
}

impl Effective {
    /// The configuration that `source` makes, refused values included.
    pub fn of(source: &Source) -> Self {
        let mut reader = Reader::new(source);
        // Only the list is wanted; `Settings::load` tells the problems.
        let _ = Settings::read(&mut reader);
        Self { settings: reader.finish().0 }
    }

    /// The variables in order.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    fn sections(&self) -> impl Iterator<Item = &[Setting]> {
        self.settings.chunk_by(|one, next| one.section == next.section)
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, section) in self.sections().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            comment(f, section[0].section)?;
            for setting in section {
                let assignment = format!("{}={}", setting.name, quoted(&setting.value));
                writeln!(f, "{assignment:<40} # {}", setting.origin)?;
            }
        }
        Ok(())
    }
}

/// The text of `.env.example`: every variable with its description, defaults commented out, what is required filled in.
pub fn example() -> String {
    let mut text = EXAMPLE_HEAD.to_owned();
    for section in Effective::of(&Source::default()).sections() {
        // Writing to a String does not fail.
        let _ = write_section(&mut text, section);
    }
    text
}

const EXAMPLE_HEAD: &str = "\
# Settings of the Andera load balancer. Copy this file to .env and change what you need; variables of the
# environment win over .env.
#
# A time is a number of milliseconds, or has a unit: 250ms, 3s, 5m, 24h, 7d.
# A size is a number of bytes, or has a unit: 512b, 64kb, 1.5mb, 1gb.
# A switch is true or false; yes, no, on, off, 1 and 0 do as well.
";

fn write_section(text: &mut String, section: &[Setting]) -> fmt::Result {
    write!(text, "\n\n# ---- ")?;
    for line in section[0].section {
        writeln!(text, "{}", line.trim().trim_end_matches('.'))?;
    }
    for setting in section {
        writeln!(text)?;
        comment(text, setting.about)?;
        if setting.required {
            writeln!(text, "{}={EXAMPLE_VALUE}", setting.name)?;
        } else {
            writeln!(text, "# {}={}", setting.name, quoted(&setting.value))?;
        }
    }
    Ok(())
}

/// What the example sets what is required to.
pub(super) const EXAMPLE_VALUE: &str = "change-me";

fn comment(out: &mut impl Write, lines: &[&str]) -> fmt::Result {
    lines.iter().try_for_each(|line| writeln!(out, "# {}", line.trim()))
}

/// A value as `.env` takes it.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:,+@%*~=".contains(c);
    if value.chars().all(is_plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, dot_env};

    #[test]
    fn the_example_in_the_repository_is_the_one_made_from_the_settings() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example");
        if std::env::var_os("UPDATE_ENV_EXAMPLE").is_some() {
            std::fs::write(path, example()).unwrap();
        }
        let file = std::fs::read_to_string(path).unwrap();
        assert_eq!(file, example(), "run this test with UPDATE_ENV_EXAMPLE=1 to rewrite the file");
    }

    #[test]
    fn the_example_sets_the_key_only_and_its_defaults_are_the_defaults() {
        let (values, problems) = dot_env::parse(&example());
        assert_eq!(problems, []);
        assert_eq!(values.keys().collect::<Vec<_>>(), ["LB_AUTH_KEY"]);

        let uncommented: String = example()
            .lines()
            .map(|line| line.strip_prefix("# ").unwrap_or(line))
            .filter(|line| line.split_once('=').is_some_and(|(name, _)| !name.contains(|c: char| !is_name(c))))
            .fold(String::new(), |text, line| text + line + "\n");
        let set = Source::default().with_dot_env(&uncommented);
        let by_example = Settings::load(&set).unwrap().settings;
        let by_default = Settings::from_pairs([("LB_AUTH_KEY", "change-me")]).unwrap();
        assert_eq!(format!("{by_example:?}"), format!("{by_default:?}"));

        let named = uncommented.lines().count();
        assert_eq!(named, Effective::of(&Source::default()).settings().len());
    }

    fn is_name(c: char) -> bool {
        c.is_ascii_uppercase() || c == '_'
    }

    #[test]
    fn shows_values_and_where_they_came_from_but_no_secret() {
        let source = Source::from_pairs([("LB_AUTH_KEY", "hush"), ("PORT", "99999")])
            .with_dot_env("DATA_DIR='my \"data\" $dir'\nRETENTION=2h\n");
        let effective = Effective::of(&source);
        let shown = effective.to_string();
        assert!(!shown.contains("hush"));

        let find = |name| effective.settings().iter().find(|setting| setting.name == name).unwrap();
        assert_eq!((find("LB_AUTH_KEY").value.as_str(), find("LB_AUTH_KEY").origin), ("***", Origin::Environment));
        assert_eq!((find("PORT").value.as_str(), find("PORT").origin), ("99999", Origin::Environment));
        assert_eq!((find("HOST").value.as_str(), find("HOST").origin), ("0.0.0.0", Origin::Default));
        assert_eq!((find("DATA_DIR").value.as_str(), find("DATA_DIR").origin), ("my \"data\" $dir", Origin::DotEnv));
        assert_eq!((find("QUEUE_TTL").value.as_str(), find("QUEUE_TTL").origin), ("2h", Origin::Default));
        assert_eq!(find("TEMPLATES_DIR").value, "");

        let line = shown.lines().find(|line| line.starts_with("PORT=")).unwrap();
        assert!(line.ends_with("# environment"), "{line}");
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_values() {
        let source = Source::from_pairs([("DATA_DIR", "a \\ \"b\"\n$c #d"), ("TEMPLATES_DIR", "tête/x")]);
        let effective = Effective::of(&source);
        let (values, problems) = dot_env::parse(&effective.to_string());
        assert_eq!(problems, []);
        assert_eq!(values.len(), effective.settings().len());
        for setting in effective.settings() {
            assert_eq!(values[setting.name], setting.value, "{}", setting.name);
        }
    }

    #[test]
    fn an_unset_secret_is_shown_as_empty() {
        let effective = Effective::of(&Source::default());
        assert_eq!(effective.settings().iter().find(|setting| setting.name == "LB_AUTH_KEY").unwrap().value, "");
    }
}
