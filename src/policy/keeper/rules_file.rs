//! The file `policies.json` as it comes and goes.

use std::path::PathBuf;
use std::{fs, io};

use super::rules::Rules;

/// Follows a rules file. A broken one leaves the last good rules in force.
pub(super) struct RulesFile {
    path: PathBuf,
    rules: Rules,
    /// What was read last.
    text: Option<Vec<u8>>,
    error: Option<String>,
}

/// What a look at the file found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RulesLook {
    Same,
    Changed,
    /// It has changed and cannot be used.
    Broken(String),
}

impl RulesFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, rules: Rules::default(), text: None, error: None }
    }

    /// The rules in force: none if there is no file.
    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Why the file as it is now is not used.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Reads the file if it has changed.
    pub(super) fn look(&mut self) -> RulesLook {
        let text = match fs::read(&self.path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // It may be there again the next time.
            Err(_) => return RulesLook::Same,
        };
        if text == self.text {
            return RulesLook::Same;
        }
        let read = text.as_deref().map_or_else(|| Ok(Rules::default()), Rules::parse);
        self.text = text;
        match read {
            Ok(rules) => {
                self.rules = rules;
                self.error = None;
                tracing::info!(file = %self.path.display(), "the rules of policies are in force");
                RulesLook::Changed
            }
            Err(error) => {
                let error = error.to_string();
                tracing::error!("the last good rules of policies stay in force: {error}");
                self.error = Some(error.clone());
                RulesLook::Broken(error)
            }
        }
    }
}
