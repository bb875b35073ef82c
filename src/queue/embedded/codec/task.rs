//! The fixed part of a task.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{FrameError, Kind, LaneRow, StandingRow, put};
use crate::queue::Sealer;
use crate::queue::ledger::{Standing, StoredTask};
use crate::task::{
    Idempotency, IdempotencyKey, Mode, TaskId, TaskOptions, TaskSpec, Timestamp, WebhookTarget, WorkerKey,
};

/// What the books need of a task.
#[derive(Serialize, Deserialize)]
struct HeadRow<'a> {
    id: [u8; 16],
    standing: StandingRow,
    #[serde(borrow)]
    lane: LaneRow<'a>,
    runs_once: bool,
    key: Option<&'a str>,
}

/// The rest of it.
#[derive(Serialize, Deserialize)]
struct SpecRow<'a> {
    function: &'a str,
    mode: Mode,
    options: OptionsRow<'a>,
    #[serde(with = "serde_bytes")]
    worker_key: &'a [u8],
    webhook: Option<(&'a str, Vec<(&'a str, &'a str)>)>,
    created_at: i64,
    expires_at: i64,
    resumable: bool,
    body_hash: Option<[u8; 32]>,
    #[serde(with = "serde_bytes")]
    body: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct OptionsRow<'a> {
    attempts: Option<u32>,
    timeout_ms: Option<u64>,
    delay_ms: Option<u64>,
    run_at: Option<i64>,
    key: Option<&'a str>,
    tenant: Option<&'a str>,
}

/// Adds the fixed part of a task; its worker key is sealed.
pub(in crate::queue::embedded) fn put_task(
    buffer: &mut Vec<u8>,
    spec: &TaskSpec,
    standing: &Standing,
    sealer: &Sealer,
) -> Result<std::ops::Range<usize>, FrameError> {
    let options = &spec.options;
    let worker_key = sealer.seal(spec.id, &spec.worker_key);
    let head = HeadRow {
        id: spec.id.as_u128().to_be_bytes(),
        standing: standing.into(),
        lane: (&spec.lane).into(),
        runs_once: options.attempts == Some(1),
        key: spec.idempotency.as_ref().map(|idempotency| idempotency.key.as_str()),
    };
    let row = SpecRow {
        function: &spec.function,
        mode: spec.mode,
        options: OptionsRow {
            attempts: options.attempts,
            timeout_ms: options.timeout.map(millis),
            delay_ms: options.delay.map(millis),
            run_at: options.run_at.map(Timestamp::as_millis),
            key: options.key.as_deref(),
            tenant: options.tenant.as_deref(),
        },
        worker_key: &worker_key,
        webhook: spec
            .webhook
            .as_ref()
            .map(|webhook| (&*webhook.url, webhook.headers.iter().map(|(name, value)| (&**name, &**value)).collect())),
        created_at: spec.created_at.as_millis(),
        expires_at: spec.expires_at.as_millis(),
        resumable: spec.resumable,
        body_hash: spec.idempotency.as_ref().map(|idempotency| idempotency.body_hash),
        body: &spec.body,
    };
    put(buffer, Kind::Task, &(head, row))
}

/// Reads what the books need of a task.
pub(in crate::queue::embedded) fn read_task_head(body: &[u8]) -> Result<StoredTask, FrameError> {
    let (head, _): (HeadRow<'_>, _) = postcard::take_from_bytes(body)?;
    Ok(StoredTask {
        id: TaskId::from_u128(u128::from_be_bytes(head.id)),
        lane: head.lane.try_into()?,
        standing: head.standing.into(),
        runs_once: head.runs_once,
        key: head.key.map(key).transpose()?,
    })
}

/// Reads a task as it was submitted; its worker key is what `open` makes of the sealed one.
pub(in crate::queue::embedded) fn read_task(
    body: &[u8],
    open: impl FnOnce(TaskId, &[u8]) -> WorkerKey,
) -> Result<TaskSpec, FrameError> {
    let (head, row): (HeadRow<'_>, SpecRow<'_>) = postcard::from_bytes(body)?;
    let id = TaskId::from_u128(u128::from_be_bytes(head.id));
    let worker_key = open(id, row.worker_key);
    let idempotency = match (head.key, row.body_hash) {
        (Some(text), Some(body_hash)) => Some(Idempotency::stored(key(text)?, body_hash, &worker_key)),
        _ => None,
    };
    let options = row.options;
    Ok(TaskSpec {
        id,
        lane: head.lane.try_into()?,
        function: row.function.into(),
        mode: row.mode,
        options: TaskOptions {
            attempts: options.attempts,
            timeout: options.timeout_ms.map(Duration::from_millis),
            delay: options.delay_ms.map(Duration::from_millis),
            run_at: options.run_at.map(Timestamp::from_millis),
            key: options.key.map(Arc::from),
            tenant: options.tenant.map(Arc::from),
            idempotency_key: None,
        },
        body: Bytes::copy_from_slice(row.body),
        worker_key,
        webhook: row.webhook.map(|(url, headers)| WebhookTarget {
            url: url.into(),
            headers: headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        }),
        created_at: Timestamp::from_millis(row.created_at),
        expires_at: Timestamp::from_millis(row.expires_at),
        resumable: row.resumable,
        idempotency,
    })
}

fn key(text: &str) -> Result<IdempotencyKey, FrameError> {
    IdempotencyKey::parse(text, "the idempotency key").map_err(|error| FrameError::Body(error.message))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
