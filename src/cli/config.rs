//! `andera-lb config`: the effective configuration.

use std::io::Write;
use std::process::ExitCode;

use super::serve::{load, refuse};
use crate::config::{Effective, Source};

/// Prints every setting and where it comes from, in the form of a `.env` file; problems go to stderr.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    let source = Source::from_process();
    write!(std::io::stdout().lock(), "{}", Effective::of(&source))?;
    match load(&source) {
        Err(problems) => refuse(&problems),
        Ok(loaded) => {
            let mut output = std::io::stderr().lock();
            for warning in &loaded.warnings {
                writeln!(output, "warning: {warning}")?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
