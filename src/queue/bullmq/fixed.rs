//! The fixed part of a task, as the field `andera` of its job has it. What `BullMQ` has fields for is left out: the function is the
//! job's name, the body its data.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::queue::{NewTask, Sealer};
use crate::task::{
    Idempotency, IdempotencyKey, LaneKey, Mode, Priority, TaskId, TaskOptions, TaskSpec, Timestamp, WebhookTarget,
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixed {
    mode: Mode,
    /// The worker key, sealed, in base64.
    sealed_key: String,
    created_at: i64,
    expires_at: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    resumable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<Webhook>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    /// SHA-256 of the body, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_hash: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Webhook {
    url: Arc<str>,
    headers: Vec<(Arc<str>, Arc<str>)>,
}

/// The fixed part as it is stored.
pub(super) fn write(spec: &TaskSpec, sealer: &Sealer) -> String {
    let options = &spec.options;
    let fixed = Fixed {
        mode: spec.mode,
        sealed_key: BASE64_STANDARD.encode(sealer.seal(spec.id, &spec.worker_key)),
        created_at: spec.created_at.as_millis(),
        expires_at: spec.expires_at.as_millis(),
        resumable: spec.resumable,
        attempts: options.attempts,
        timeout_ms: options.timeout.map(millis),
        delay_ms: options.delay.map(millis),
        run_at: options.run_at.map(Timestamp::as_millis),
        key: options.key.clone(),
        tenant: options.tenant.clone(),
        webhook: spec
            .webhook
            .as_ref()
            .map(|webhook| Webhook { url: Arc::clone(&webhook.url), headers: webhook.headers.clone() }),
        idempotency_key: spec.idempotency.as_ref().map(|idempotency| idempotency.key.as_str().to_owned()),
        body_hash: spec.idempotency.as_ref().map(|idempotency| BASE64_STANDARD.encode(idempotency.body_hash)),
    };
    // It has no map with keys that are no texts, and nothing else can fail.
    serde_json::to_string(&fixed).unwrap_or_default()
}

/// What `BullMQ` calls the options of a job: what it acts on when one of its own workers runs the task.
pub(super) fn bullmq_options(task: &NewTask) -> String {
    let mut options = serde_json::Map::new();
    options.insert("jobId".to_owned(), task.spec.id.to_string().into());
    options.insert("attempts".to_owned(), task.spec.options.attempts.unwrap_or(1).into());
    if let Some(priority) = task.priority {
        options.insert("priority".to_owned(), priority.get().into());
    }
    if let Some(at) = task.run_at {
        options.insert("delay".to_owned(), millis(at.since(task.spec.created_at)).into());
    }
    serde_json::Value::Object(options).to_string()
}

/// A task as it was submitted, out of its stored parts; `None` if they cannot be read.
pub(super) fn read(
    id: TaskId,
    lane: &LaneKey,
    function: String,
    body: Bytes,
    fixed: &[u8],
    sealer: &Sealer,
) -> Option<TaskSpec> {
    let fixed: Fixed = serde_json::from_slice(fixed).ok()?;
    let worker_key = sealer.open(id, &BASE64_STANDARD.decode(&fixed.sealed_key).ok()?);
    let idempotency = match (fixed.idempotency_key, fixed.body_hash) {
        (Some(key), Some(hash)) => {
            let hash = BASE64_STANDARD.decode(hash).ok()?.try_into().ok()?;
            Some(Idempotency::stored(IdempotencyKey::parse(&key, "the idempotency key").ok()?, hash, &worker_key))
        }
        _ => None,
    };
    Some(TaskSpec {
        id,
        lane: lane.clone(),
        function: function.into(),
        mode: fixed.mode,
        options: TaskOptions {
            attempts: fixed.attempts,
            timeout: fixed.timeout_ms.map(Duration::from_millis),
            delay: fixed.delay_ms.map(Duration::from_millis),
            run_at: fixed.run_at.map(Timestamp::from_millis),
            key: fixed.key,
            tenant: fixed.tenant,
            idempotency_key: None,
        },
        body,
        worker_key,
        webhook: fixed.webhook.map(|webhook| WebhookTarget { url: webhook.url, headers: webhook.headers }),
        created_at: Timestamp::from_millis(fixed.created_at),
        expires_at: Timestamp::from_millis(fixed.expires_at),
        resumable: fixed.resumable,
        idempotency,
    })
}

/// The priority of a job: `BullMQ` writes 0 for none.
pub(super) fn priority(number: Option<u32>) -> Option<Priority> {
    number.and_then(Priority::new)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
