//! Where values come from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::{env, fmt, fs};

use super::{Problem, dot_env};

/// Where the value of a variable came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is not set.
    Default,
    /// The environment.
    Environment,
    /// The file `.env`.
    DotEnv,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Default => "default",
            Self::Environment => "environment",
            Self::DotEnv => ".env",
        })
    }
}

/// Values of variables: the environment over a `.env` file. Has no `Debug`, since it holds secrets in the open.
#[derive(Clone, Default)]
pub struct Source {
    environment: BTreeMap<String, String>,
    dot_env: BTreeMap<String, String>,
    /// Variables of the environment whose values are not UTF-8.
    undecodable: Vec<String>,
    /// What is wrong with the file itself.
    problems: Vec<Problem>,
}

impl Source {
    /// The process's environment over `.env` in the working directory, if there is one. The environment is not changed.
    pub fn from_process() -> Self {
        Self::from_environment(env::vars_os()).with_file(Path::new(".env"))
    }

    /// These pairs alone, taken as the environment.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let environment = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { environment, ..Self::default() }
    }

    fn from_environment(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut source = Self::default();
        for (name, value) in pairs {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(source.environment.insert(name, value)),
                Err(_) => source.undecodable.push(name),
            }
        }
        source
    }

    fn with_file(mut self, path: &Path) -> Self {
        match fs::read_to_string(path) {
            Ok(text) => return self.with_dot_env(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.problems.push(Problem::new(".env", format!("cannot be read: {error}"))),
        }
        self
    }

    /// The same environment over a `.env` file of that text.
    #[must_use]
    pub fn with_dot_env(mut self, text: &str) -> Self {
        let (values, problems) = dot_env::parse(text);
        self.dot_env = values;
        self.problems.extend(problems);
        self
    }

    /// The value of a variable, without the space around it. An empty one counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<(&str, Origin)> {
        [(&self.environment, Origin::Environment), (&self.dot_env, Origin::DotEnv)].into_iter().find_map(
            |(values, origin)| {
                let value = values.get(name)?.trim();
                (!value.is_empty()).then_some((value, origin))
            },
        )
    }

    pub(super) fn is_undecodable(&self, name: &str) -> bool {
        self.undecodable.iter().any(|undecodable| undecodable == name)
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn dot_env_names(&self) -> impl Iterator<Item = &str> {
        self.dot_env.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn the_environment_wins_over_the_file_and_empty_means_unset() {
        let source = Source::from_pairs([("PORT", "1"), ("HOST", ""), ("QUEUE", " ")])
            .with_dot_env("PORT=2\nHOST=::1\nDATA_DIR=\nPOLICY=  p  \n");
        assert_eq!(source.get("PORT"), Some(("1", Origin::Environment)));
        assert_eq!(source.get("HOST"), Some(("::1", Origin::DotEnv)));
        assert_eq!(source.get("POLICY"), Some(("p", Origin::DotEnv)));
        assert_eq!(source.get("QUEUE"), None);
        assert_eq!(source.get("DATA_DIR"), None);
    }

    #[test]
    fn a_missing_file_is_fine_and_an_unreadable_one_is_a_problem() {
        let directory = tempfile::tempdir().unwrap();
        let missing = Source::default().with_file(&directory.path().join(".env"));
        assert!(missing.problems().is_empty());

        let path = directory.path().join("latin1");
        fs::write(&path, b"NAME=\xe9\n").unwrap();
        assert_eq!(Source::default().with_file(&path).problems().len(), 1);

        fs::write(&path, "PORT=5\n").unwrap();
        assert_eq!(Source::default().with_file(&path).get("PORT"), Some(("5", Origin::DotEnv)));
    }

    #[test]
    fn a_value_that_is_no_text_is_remembered_by_name() {
        let broken = OsString::from_vec(vec![0xff]);
        let source = Source::from_environment([("DATA_DIR".into(), broken), ("PORT".into(), "5".into())]);
        assert!(source.is_undecodable("DATA_DIR"));
        assert!(!source.is_undecodable("PORT"));
        assert_eq!(source.get("PORT"), Some(("5", Origin::Environment)));
    }
}
