//! `andera-lb policy new`: a small project that builds.

mod name;
mod template;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use name::PolicyName;
use template::Language;

#[derive(Debug, Args)]
pub(in crate::cli) struct NewArgs {
    /// Its name, as in `POLICY=wasm:NAME`: small letters, digits and hyphens.
    name: PolicyName,
    /// The language it is written in.
    #[arg(long, value_enum)]
    lang: Language,
    /// The folder to make; by default NAME, here. There must be nothing of that name.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Writes the project, and says what to do next. Exits 1 if it cannot.
pub(super) fn run(args: &NewArgs) -> anyhow::Result<ExitCode> {
    match create(args) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            writeln!(io::stderr().lock(), "{error:#}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn create(args: &NewArgs) -> anyhow::Result<()> {
    let name = args.name.as_str();
    let folder = args.dir.clone().unwrap_or_else(|| name.into());
    make(&folder)?;
    for file in args.lang.files() {
        write(&folder.join(file.path), &file.content(name))?;
    }
    let mut output = io::stdout().lock();
    writeln!(output, "{} is there: a policy in {}. README.md in it says more. Next:\n", folder.display(), args.lang)?;
    writeln!(output, "  cd {}", quoted(&folder))?;
    for line in args.lang.next(name) {
        writeln!(output, "  {line}")?;
    }
    writeln!(output, "\nThen put {name}.wasm into the balancer's POLICIES_DIR, and start it with POLICY=wasm:{name}.")?;
    Ok(())
}

/// Makes the folder. What is there is left alone, even an empty folder or a link that leads nowhere.
fn make(folder: &Path) -> anyhow::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already; nothing was written. Another folder: --dir", folder.display())
        }
        made => made.with_context(|| format!("cannot make {}", folder.display())),
    }
}

fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let write = || {
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(file, content)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// As a shell reads it.
fn quoted(folder: &Path) -> String {
    let text = folder.display().to_string();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+".contains(character);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_quoted_where_a_shell_needs_that() {
        assert_eq!(quoted(Path::new("a/b-c_1.2")), "a/b-c_1.2");
        assert_eq!(quoted(Path::new("my policies/it's")), r"'my policies/it'\''s'");
    }
}
