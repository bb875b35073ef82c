//! The files of new projects, as they are in `templates/policy/`.

use std::borrow::Cow;
use std::fmt;

use clap::ValueEnum;

/// Stands for the policy's name in the templates.
const NAME: &str = "__NAME__";

/// A language that policies are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// Rust
    Rust,
    /// JavaScript
    Js,
    /// Python
    Python,
    /// C
    C,
}

/// A file of a project.
pub(super) struct TemplateFile {
    /// Where it goes within the project.
    pub(super) path: &'static str,
    content: &'static [u8],
}

/// The files that are named, of one language: where each goes, and where it comes from if it has another name there. Cargo leaves folders
/// with a `Cargo.toml` out of a package, and git obeys every `.gitignore`: those have other names.
macro_rules! files {
    ($language:literal: $($path:literal $(from $template:literal)?),+ $(,)?) => {
        &[$(TemplateFile {
            path: $path,
            content: include_bytes!(concat!("../../../../templates/policy/", $language, "/", files!(@ $path $($template)?))),
        }),+]
    };
    (@ $path:literal) => { $path };
    (@ $path:literal $template:literal) => { $template };
}

/// What the balancer asks, and what a new policy exports of it.
const INTERFACE: &[TemplateFile] = &[
    TemplateFile { path: "wit/world.wit", content: include_bytes!("../../../../templates/policy/world.wit") },
    TemplateFile { path: "wit/deps/routing.wit", content: include_bytes!("../../../../wit/routing.wit") },
];
const RUST: &[TemplateFile] = files!("rust":
    "README.md", "Cargo.toml" from "Cargo.toml.in", "src/lib.rs", ".gitignore" from "gitignore",
);
const JS: &[TemplateFile] = files!("js":
    "README.md", "package.json", "build.mjs", "policy.js", "policy.test.js", ".gitignore" from "gitignore",
);
const PYTHON: &[TemplateFile] = files!("python":
    "README.md", "Makefile", "requirements.txt", "app.py", "ranking.py", "test_ranking.py", ".gitignore" from "gitignore",
);
const C: &[TemplateFile] = files!("c":
    "README.md", "Makefile", "policy.c", "test.c", "memory.c", "include/stdlib.h", "include/string.h", "bindings/my_policy.c",
    "bindings/my_policy.h", "bindings/my_policy_component_type.o", ".gitignore" from "gitignore",
);

impl Language {
    /// All files of a project.
    pub(super) fn files(self) -> impl Iterator<Item = &'static TemplateFile> {
        let own = match self {
            Self::Rust => RUST,
            Self::Js => JS,
            Self::Python => PYTHON,
            Self::C => C,
        };
        own.iter().chain(INTERFACE)
    }

    /// The commands that make `NAME.wasm` of a new project.
    pub(super) fn next(self, name: &str) -> Vec<String> {
        let lines: &[&str] = match self {
            Self::Rust => &[
                "rustup target add wasm32-unknown-unknown   # once",
                "cargo test",
                "cargo build --release --target wasm32-unknown-unknown",
                "cp target/wasm32-unknown-unknown/release/policy.wasm __NAME__.wasm",
            ],
            Self::Js => &["npm install   # once", "npm test", "npm run build"],
            Self::Python => &["make test", "make   # fetches componentize-py into .venv the first time"],
            Self::C => &["make test", "make"],
        };
        lines.iter().map(|line| line.replace(NAME, name)).collect()
    }
}

impl TemplateFile {
    /// What is in it, for a policy of that name.
    pub(super) fn content(&self, name: &str) -> Cow<'static, [u8]> {
        // The object file of the bindings is no text, and has no name in it.
        match std::str::from_utf8(self.content) {
            Ok(text) if text.contains(NAME) => text.replace(NAME, name).into_bytes().into(),
            _ => self.content.into(),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Js => "JavaScript",
            Self::Python => "Python",
            Self::C => "C",
        })
    }
}
