//! The log lines of a worker.

use reqwest::Url;
use serde_json::Value;

use super::transport::Connection;
use super::{Fleet, WorkerAddress};

/// The longest answer of `/logs`, in bytes.
const LOGS_MAX_BYTES: usize = 4 << 20;

/// Why a worker's log lines cannot be shown.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LogsError {
    /// The address is not in the list; nothing is sent to it.
    #[error("no such worker is listed")]
    Unlisted,
    /// The worker did not answer as it should.
    #[error("the worker's logs cannot be read: {0}")]
    Unavailable(String),
}

impl Fleet {
    /// Fetches the log lines of a listed worker, oldest first; at most 4 MiB of them.
    pub async fn worker_logs(&self, url: &str) -> Result<Vec<String>, LogsError> {
        let address = WorkerAddress::parse(url).map_err(|_| LogsError::Unlisted)?;
        let member = self.shared.roster.load().by_url.get(address.url()).cloned().ok_or(LogsError::Unlisted)?;
        let url = Url::parse(&format!("{}/logs", member.address)).map_err(|_| LogsError::Unlisted)?;
        let body = self.shared.transport.get(&url, Connection::Any, LOGS_MAX_BYTES).await;
        let mut answer: Value = serde_json::from_slice(&body.map_err(LogsError::Unavailable)?)
            .map_err(|error| LogsError::Unavailable(format!("/logs is not JSON: {error}")))?;
        match answer.get_mut("logs").map(Value::take) {
            Some(Value::Array(lines)) => Ok(lines.into_iter().map(line).collect()),
            _ => Err(LogsError::Unavailable("the worker refused the balancer's key, or keeps no logs".into())),
        }
    }
}

fn line(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
