//! Templates: built in, or read from `TEMPLATES_DIR`.

use std::path::{Path, PathBuf};

use axum::response::Html;
use minijinja::Environment;

use crate::api::ApiError;
use crate::task::ErrorCode;

/// The built-in templates, by name.
const BUILT_IN: [(&str, &str); 1] = [("landing.html", include_str!("../../templates/landing.html"))];

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file cannot be read.
    #[error("cannot read the template {path}: {error}")]
    Unreadable {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The template has a mistake.
    #[error("the template {name} has a mistake: {error}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// The mistake.
        error: minijinja::Error,
    },
}

/// The templates.
#[derive(Debug)]
pub struct Pages {
    templates: Environment<'static>,
}

impl Pages {
    /// Loads the templates; a file of the same name in `directory` replaces a built-in one.
    pub fn load(directory: Option<&Path>) -> Result<Self, TemplateError> {
        let mut templates = Environment::new();
        for (name, built_in) in BUILT_IN {
            let source = match directory.map(|directory| directory.join(name)).filter(|path| path.exists()) {
                Some(path) => {
                    std::fs::read_to_string(&path).map_err(|error| TemplateError::Unreadable { path, error })?
                }
                None => built_in.to_owned(),
            };
            templates.add_template_owned(name, source).map_err(|error| TemplateError::Invalid { name, error })?;
        }
        Ok(Self { templates })
    }

    pub(super) fn render(&self, name: &'static str, context: minijinja::Value) -> Result<Html<String>, ApiError> {
        let page = self.templates.get_template(name).and_then(|template| template.render(context));
        page.map(Html).map_err(|error| {
            tracing::error!(template = name, %error, "cannot render a page");
            ApiError::new(ErrorCode::Internal, "The page cannot be shown")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_from_the_directory_replaces_the_built_in_one() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("landing.html"), "version {{ version }}").unwrap();
        let pages = Pages::load(Some(directory.path())).unwrap();
        let context = minijinja::context! { version => "1" };
        assert_eq!(pages.render("landing.html", context).unwrap().0, "version 1");
    }

    #[test]
    fn a_broken_template_is_named_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("landing.html"), "{% if %}").unwrap();
        let error = Pages::load(Some(directory.path())).unwrap_err();
        assert!(error.to_string().contains("landing.html"), "{error}");
    }
}
