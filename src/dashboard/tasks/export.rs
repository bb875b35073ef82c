//! `GET /dashboard/api/tasks/export`: the tasks that match a filter, as a file.

use std::fmt::Write;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde_json::json;

use crate::api::{ApiError, TaskJson, task_filter_of};
use crate::dashboard::DashboardState;
use crate::dispatch::{Dispatcher, TaskListing, TaskView};
use crate::queue::TaskFilter;
use crate::task::{ErrorCode, Timestamp};

/// Tasks that a file holds at most.
const MOST: usize = 100_000;
/// Tasks that are read, and written, at once.
const TASKS_AT_ONCE: usize = 500;
const COLUMNS: &str = "taskId,state,group,contract,function,mode,priority,tenant,attempts,interruptions,worker,createdAt,\
                       finishedAt,tookMs,code,error\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ndjson,
    Csv,
}

/// A file under way.
struct Export {
    dispatcher: Arc<Dispatcher>,
    filter: TaskFilter,
    format: Format,
    written: usize,
    /// What the last page said; `None` before it.
    page: Option<TaskListing>,
    over: bool,
}

/// Writes the tasks that match, newest first, page by page as the client takes them.
pub(in crate::dashboard) async fn export(
    State(state): State<DashboardState>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, ApiError> {
    let bad = |message: String| ApiError::new(ErrorCode::InvalidQuery, message);
    let Query(mut parameters) = query.map_err(|error| bad(error.body_text()))?;
    let at = parameters.iter().position(|(name, _)| name == "format");
    let format = match at.map(|at| parameters.remove(at).1).as_deref() {
        Some("csv") => Format::Csv,
        None | Some("ndjson") => Format::Ndjson,
        Some(_) => return Err(bad("format must be ndjson or csv".to_owned())),
    };
    if let Some((name, _)) = parameters.iter().find(|(name, _)| matches!(name.as_str(), "limit" | "cursor")) {
        return Err(bad(format!("{name} means nothing here: the file holds all tasks that match")));
    }
    let filter = TaskFilter { limit: TASKS_AT_ONCE, ..task_filter_of(&parameters)? };
    let dispatcher = Arc::clone(&state.live.view.dispatcher);
    // The first page is read before the head is sent: a queue that is away is an error like any other.
    let page = Some(dispatcher.list(filter.clone()).await?);
    let file = Export { dispatcher, filter, format, written: 0, page, over: false };
    let (kind, disposition) = match format {
        Format::Ndjson => ("application/x-ndjson", r#"attachment; filename="tasks.ndjson""#),
        Format::Csv => ("text/csv; charset=utf-8", r#"attachment; filename="tasks.csv""#),
    };
    let mut response = Body::from_stream(written(file)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    Ok(response)
}

fn written(file: Export) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(file, |mut file| async {
        if file.over {
            return None;
        }
        let part = file.part().await;
        // What is cut short must not look complete: the connection breaks off.
        file.over |= part.is_err();
        Some((part, file))
    })
}

impl Export {
    async fn part(&mut self) -> io::Result<Bytes> {
        if self.dispatcher.is_draining() {
            return Err(io::Error::other("the balancer shuts down"));
        }
        let page = match self.page.take() {
            Some(page) => page,
            None => self.dispatcher.list(self.filter.clone()).await.map_err(io::Error::other)?,
        };
        let mut text = String::new();
        if self.written == 0 && self.format == Format::Csv {
            text.push_str(COLUMNS);
        }
        for view in &page.tasks {
            self.line(&mut text, view)?;
        }
        self.written += page.tasks.len();
        self.filter.before = page.next;
        self.over = page.next.is_none() || self.written >= MOST;
        if page.next.is_some() && self.over {
            let note = format!("There are more than {MOST} tasks: the rest is left out");
            match self.format {
                Format::Ndjson => text.push_str(&json!({ "truncated": true, "error": note }).to_string()),
                Format::Csv => text.push_str(&note),
            }
            text.push('\n');
        }
        Ok(text.into())
    }

    fn line(&self, text: &mut String, view: &TaskView) -> io::Result<()> {
        match self.format {
            Format::Ndjson => {
                text.push_str(&serde_json::to_string(&TaskJson::listed(view))?);
                text.push('\n');
            }
            Format::Csv => row(text, view),
        }
        Ok(())
    }
}

fn row(text: &mut String, view: &TaskView) {
    let record = &view.record;
    let spec = &record.spec;
    let last = record.attempts.iter().chain(&view.current).next_back();
    let time = |time: Option<Timestamp>| time.map_or_else(String::new, Timestamp::to_rfc3339);
    let took = record.finished_at.map(|end| end.since(spec.created_at).as_millis().to_string());
    let attempts = record.attempts.len() + usize::from(view.current.is_some());
    let cells = [
        spec.id.to_string(),
        record.state.word().to_owned(),
        spec.lane.group.to_string(),
        spec.lane.contract.to_string(),
        spec.function.to_string(),
        json!(spec.mode).as_str().unwrap_or_default().to_owned(),
        record.priority.map_or_else(String::new, |priority| priority.get().to_string()),
        spec.options.tenant.as_deref().unwrap_or_default().to_owned(),
        attempts.to_string(),
        record.interruptions.to_string(),
        last.map_or_else(String::new, |attempt| attempt.worker.to_string()),
        time(Some(spec.created_at)),
        time(record.finished_at),
        took.unwrap_or_default(),
        record.code.map_or_else(String::new, |code| code.to_string()),
        record.error.as_deref().unwrap_or_default().to_owned(),
    ];
    for (at, value) in cells.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{}", cell(value));
    }
    text.push_str("\r\n");
}

/// A cell (RFC 4180). Programs that show tables take a text that begins like a formula for one: an apostrophe keeps it a text.
fn cell(value: &str) -> String {
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
    let like_a_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && !is_number;
    let value = if like_a_formula { format!("'{value}") } else { value.to_owned() };
    if value.contains([',', '"', '\r', '\n', ';', '\t', '\'']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_early() {
        for (value, written) in [
            ("plain", "plain"),
            ("", ""),
            ("-1.5", "-1.5"),
            ("=1+1", "\"'=1+1\""),
            ("+49", "+49"),
            ("+cmd|'/c calc'!A0", "\"'+cmd|'/c calc'!A0\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-x", "\"'-x\""),
            ("\t=1", "\"'\t=1\""),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(value), written, "{value:?}");
        }
    }
}
