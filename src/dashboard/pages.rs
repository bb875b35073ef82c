//! Templates: built in, or read from `TEMPLATES_DIR`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use axum::response::{Html, IntoResponse, Response};
use minijinja::value::merge_maps;
use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::access::Visitor;
use super::assets::Assets;
use crate::api::ApiError;
use crate::task::ErrorCode;

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/", $name)))),+]
    };
}

/// The built-in templates, by name.
const BUILT_IN: [(&str, &str); 16] = built_in![
    "base.html",
    "bull.html",
    "first_worker.html",
    "icons.html",
    "landing.html",
    "login.html",
    "logs.html",
    "new_task.html",
    "no_task.html",
    "no_worker.html",
    "overview.html",
    "policies.html",
    "task.html",
    "tasks.html",
    "worker.html",
    "workers.html",
];

/// A page of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Overview,
    Workers,
    Tasks,
    Policies,
    Queues,
    Logs,
}

impl Page {
    /// In the order of the navigation.
    const ALL: [Self; 6] = [Self::Overview, Self::Workers, Self::Tasks, Self::Policies, Self::Queues, Self::Logs];

    /// Its address, its name, and its picture in `icons.html`.
    const fn link(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Overview => ("/dashboard", "Overview", "overview"),
            Self::Workers => ("/dashboard/workers", "Workers", "workers"),
            Self::Tasks => ("/dashboard/tasks", "Tasks", "tasks"),
            Self::Policies => ("/dashboard/policies", "Policies", "policies"),
            Self::Queues => ("/bull", "Queues", "queues"),
            Self::Logs => ("/dashboard/logs", "Logs", "logs"),
        }
    }
}

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

/// The templates, and the files that go with them.
#[derive(Debug)]
pub struct Pages {
    templates: Environment<'static>,
    assets: Assets,
    /// Whether `/dashboard` and `/bull` are served.
    served: (bool, bool),
}

impl Pages {
    /// Loads the templates; a file of the same name in `directory` replaces a built-in one.
    pub fn load(directory: Option<&Path>) -> Result<Self, TemplateError> {
        let mut templates = Environment::new();
        for (name, built_in) in BUILT_IN {
            let source = source(directory, name, built_in)?.into_owned();
            templates.add_template_owned(name, source).map_err(|error| TemplateError::Invalid { name, error })?;
        }
        Ok(Self { templates, assets: Assets::load(directory)?, served: (true, true) })
    }

    /// Links to what is served, and to nothing else.
    #[must_use]
    pub fn serving(self, dashboard: bool, bull: bool) -> Self {
        Self { served: (dashboard, bull), ..self }
    }

    pub(super) fn render(&self, name: &'static str, context: Value) -> Result<Html<String>, ApiError> {
        let page = self.templates.get_template(name).and_then(|template| template.render(context));
        page.map(Html).map_err(|error| {
            tracing::error!(template = name, %error, "cannot render a page");
            ApiError::new(ErrorCode::Internal, "The page cannot be shown")
        })
    }

    /// A page of the navigation, for that visitor.
    pub(super) fn page(
        &self,
        page: Page,
        template: &'static str,
        visitor: &Visitor,
        own: Value,
    ) -> Result<Response, ApiError> {
        let links = Page::ALL.into_iter().filter(|link| self.serves(*link)).map(|link| {
            let (href, name, icon) = link.link();
            context! { href => Value::from_safe_string(href.to_owned()), name, icon, present => link == page }
        });
        let visitor = context! {
            csrf => visitor.csrf.as_deref(),
            may_act => visitor.may_act(),
            has_session => visitor.session.is_some(),
        };
        let all = merge_maps([context! { links => links.collect::<Vec<_>>(), visitor }, own, self.basics()]);
        self.render(template, all).map(IntoResponse::into_response)
    }

    /// What every page needs.
    pub(super) fn basics(&self) -> Value {
        let safe = |text: &str| Value::from_safe_string(text.to_owned());
        let (assets, home) = (safe(self.assets.base()), self.home().map(safe));
        context! { version => env!("CARGO_PKG_VERSION"), assets, home }
    }

    /// Whether `/dashboard` and `/bull` are served.
    pub(super) fn served(&self) -> (bool, bool) {
        self.served
    }

    /// The first page there is.
    pub(super) fn home(&self) -> Option<&'static str> {
        Page::ALL.into_iter().find(|page| self.serves(*page)).map(|page| page.link().0)
    }

    fn serves(&self, page: Page) -> bool {
        if page == Page::Queues { self.served.1 } else { self.served.0 }
    }

    pub(super) fn assets(&self) -> &Assets {
        &self.assets
    }

    /// Data for a page's scripts, to stand within a `script` element that is no script.
    pub(super) fn island(data: &impl Serialize) -> Value {
        let text = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
        // Nothing within the data may end the element.
        Value::from_safe_string(text.replace('<', "\\u003c"))
    }
}

/// The text of a file: that in the directory, if there is one, or else the built-in one.
pub(super) fn source(
    directory: Option<&Path>,
    name: &str,
    built_in: &'static str,
) -> Result<Cow<'static, str>, TemplateError> {
    match directory.map(|directory| directory.join(name)).filter(|path| path.exists()) {
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.into()),
            Err(error) => Err(TemplateError::Unreadable { path, error }),
        },
        None => Ok(built_in.into()),
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
