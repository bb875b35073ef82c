//! What has run, on disk: tests count runs with it, across processes that are killed.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::task::{Clock, Timestamp};

/// A file that is only appended to, one line per write, so that several workers can share it.
#[derive(Debug)]
pub(super) struct Ledger(Arc<File>);

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Event {
    Start,
    End,
    Refused,
}

/// One line. `priority` is a number for a run, and whatever was sent for a refusal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a, P> {
    pub(super) event: Event,
    #[serde(rename = "taskId")]
    pub(super) task: &'a str,
    pub(super) function: Option<&'a str>,
    pub(super) priority: Option<P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
}

impl Ledger {
    pub(super) async fn open(path: &Path) -> std::io::Result<Self> {
        let file = tokio::fs::OpenOptions::new().create(true).append(true).open(path).await?;
        Ok(Self(Arc::new(file.into_std().await)))
    }

    /// Appends a line. It is in the operating system's hands on return.
    pub(super) async fn record<P: Serialize>(&self, entry: Entry<'_, P>) {
        #[derive(Serialize)]
        struct Line<'a, P> {
            #[serde(flatten)]
            entry: Entry<'a, P>,
            at: i64,
        }
        let line = Line { entry, at: Timestamp::as_millis(Clock::system().now()) };
        let file = Arc::clone(&self.0);
        let written = match serde_json::to_vec(&line) {
            Ok(mut line) => {
                line.push(b'\n');
                tokio::task::spawn_blocking(move || (&*file).write_all(&line)).await
            }
            Err(error) => Ok(Err(error.into())),
        };
        if !matches!(written, Ok(Ok(()))) {
            tracing::error!(?written, "sample worker: a line of the ledger is lost");
        }
    }
}
