//! Files that pages need: styles, scripts, pictures.

use std::collections::HashMap;
use std::path::Path as FilePath;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use ring::digest::{Context, SHA256};

use super::DashboardState;
use super::pages::{TemplateError, source};
use crate::api::ApiError;
use crate::task::ErrorCode;

const FAVICON: &str = include_str!("../../templates/favicon.svg");

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/assets/", $name)))),+]
    };
}

/// The built-in files, by name.
const BUILT_IN: [(&str, &str); 29] = built_in![
    "actions.js",
    "app.css",
    "board.css",
    "bull.js",
    "bull_api.js",
    "bull_job.js",
    "bull_queue.js",
    "bull_view.js",
    "chart.js",
    "dom.js",
    "format.js",
    "live.js",
    "log_view.js",
    "login.js",
    "logs.js",
    "new_task.js",
    "overview.js",
    "policies.js",
    "shell.js",
    "task.js",
    "task_actions.js",
    "task_view.js",
    "tasks.css",
    "tasks.js",
    "theme.js",
    "try_it.js",
    "worker.js",
    "worker_view.js",
    "workers.js",
];

/// The files that pages need. All of them stand below one name that changes with any of them, so browsers may keep them for good.
#[derive(Debug)]
pub(super) struct Assets {
    files: HashMap<&'static str, Bytes>,
    base: String,
}

impl Assets {
    /// A file of the same name in `assets/` of the directory replaces a built-in one.
    pub(super) fn load(directory: Option<&FilePath>) -> Result<Self, TemplateError> {
        let directory = directory.map(|directory| directory.join("assets"));
        let mut files = HashMap::new();
        let mut digest = Context::new(&SHA256);
        for (name, built_in) in BUILT_IN {
            let text = source(directory.as_deref(), name, built_in)?;
            digest.update(name.as_bytes());
            digest.update(text.as_bytes());
            files.insert(name, Bytes::from(text.into_owned()));
        }
        let version = URL_SAFE_NO_PAD.encode(&digest.finish().as_ref()[..9]);
        Ok(Self { files, base: format!("/dashboard/assets/{version}") })
    }

    /// A file's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.files.get(name).and_then(|file| std::str::from_utf8(file).ok())
    }

    /// What the addresses of all files begin with.
    pub(super) fn base(&self) -> &str {
        &self.base
    }
}

/// A file. Of another version than the present one it is the present one too, for this time only.
pub(super) async fn show(
    State(state): State<DashboardState>,
    Path((version, name)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let assets = state.pages.assets();
    let none = || ApiError::new(ErrorCode::NotFound, "There is no such file");
    let file = assets.files.get(name.as_str()).ok_or_else(none)?;
    let is_style = name.rsplit('.').next() == Some("css");
    let kind = if is_style { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    let present = assets.base.ends_with(&format!("/{version}"));
    let keep = if present { "public, max-age=31536000, immutable" } else { "no-cache" };
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, keep)], file.clone()).into_response())
}

/// The icon.
pub(super) async fn favicon() -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=86400")], FAVICON)
}
