//! What a client may ask of the load balancer itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::request::short_text;
use super::{BadRequest, ErrorCode, IdempotencyKey, Timestamp};

/// The `options` object of a task. A worker never reads it; it is passed on like every unknown field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskOptions {
    /// `attempts`: how many runs at most, 1 to 100. 1 means at most one run ever. Default: `TASK_ATTEMPTS`.
    pub attempts: Option<u32>,
    /// `timeoutMs`: the time limit of one attempt, 1 ms to 24 h. Default: `TASK_TIMEOUT`.
    pub timeout: Option<Duration>,
    /// `delayMs` (0 to 1 year): the task waits that long before its first run. Excludes `runAt`.
    pub delay: Option<Duration>,
    /// `runAt` (RFC 3339): the task waits until then. A moment in the past means now.
    pub run_at: Option<Timestamp>,
    /// `key`: tasks with the same key belong together (for policies), up to 256 bytes.
    pub key: Option<Arc<str>>,
    /// `tenant`: on whose behalf the task runs (for policies and filters), up to 256 bytes.
    pub tenant: Option<Arc<str>>,
    /// `idempotencyKey`: as the header `Idempotency-Key`, for the items of a batch.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl TaskOptions {
    /// The moment of the first run for a task submitted at `now`; `None` means at once.
    pub fn first_run(&self, now: Timestamp) -> Option<Timestamp> {
        let at = self.delay.map(|delay| now.after(delay)).or(self.run_at)?;
        (at > now).then_some(at)
    }
}

const MAX_ATTEMPTS: u64 = 100;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const YEAR_MS: u64 = 365 * DAY_MS;

/// Reads `options`. Unknown names are refused: a misspelt limit must not pass for none.
pub(super) fn parse(value: Option<&RawValue>) -> Result<TaskOptions, BadRequest> {
    let mut options = TaskOptions::default();
    let Some(value) = value.filter(|value| value.get() != "null") else { return Ok(options) };
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(value.get()).map_err(|_| bad("options must be an object".to_owned()))?;
    for (name, value) in members {
        if value.get() == "null" {
            continue;
        }
        match name.as_str() {
            "attempts" => {
                let attempts = whole(value, "options.attempts", 1, MAX_ATTEMPTS)?;
                options.attempts = u32::try_from(attempts).ok();
            }
            "timeoutMs" => options.timeout = Some(Duration::from_millis(whole(value, "options.timeoutMs", 1, DAY_MS)?)),
            "delayMs" => options.delay = Some(Duration::from_millis(whole(value, "options.delayMs", 0, YEAR_MS)?)),
            "runAt" => {
                let text = short_text(value, "options.runAt")?;
                let moment = Timestamp::from_rfc3339(&text);
                options.run_at = Some(moment.ok_or_else(|| bad("options.runAt must be an RFC 3339 time".to_owned()))?);
            }
            "key" => options.key = Some(short_text(value, "options.key")?),
            "idempotencyKey" => {
                let text = short_text(value, "options.idempotencyKey").unwrap_or_default();
                options.idempotency_key = Some(IdempotencyKey::parse(&text, "options.idempotencyKey")?);
            }
            "tenant" => options.tenant = Some(short_text(value, "options.tenant")?),
            _ => return Err(bad(format!("options.{name} is not known"))),
        }
    }
    if options.delay.is_some() && options.run_at.is_some() {
        return Err(bad("options.delayMs and options.runAt exclude each other".to_owned()));
    }
    Ok(options)
}

fn whole(value: &RawValue, field: &str, least: u64, most: u64) -> Result<u64, BadRequest> {
    serde_json::from_str::<u64>(value.get())
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| bad(format!("{field} must be an integer from {least} to {most}")))
}

fn bad(message: String) -> BadRequest {
    BadRequest::new(ErrorCode::InvalidOptions, message)
}
