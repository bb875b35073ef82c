//! Tasks out of a store whose key to the worker cannot be opened any more. The real dispatch and queue; the worker is simulated.

use std::time::Duration;

use andera_lb::dispatch::{Accepted, Reply, Submission};
use andera_lb::queue::TaskFilter;
use andera_lb::task::{ErrorCode, Idempotency, IdempotencyKey, Mode, TaskRequest, TaskState, WebhookTarget, WorkerKey};
use serde_json::json;

use crate::harness::one_slot::{GROUP, OneSlot};

fn unreadable() -> WorkerKey {
    WorkerKey::unreadable(*b"sealed under another key")
}

#[tokio::test(start_paused = true)]
async fn the_task_fails_with_its_own_code_and_goes_to_nobody() {
    let bench = OneSlot::new();
    let id = bench.stored(unreadable(), |_| {}).await;
    bench.start();

    let record = bench.ended(id).await;
    assert_eq!((record.state, record.code), (TaskState::Failed, Some(ErrorCode::CredentialUnreadable)));
    let error = record.error.unwrap();
    assert!(error.contains("LB_AUTH_KEY_PREVIOUS") && error.contains("Submit the task again"), "{error}");
    assert!(record.attempts.is_empty() && record.result.is_none());
    assert_eq!(bench.delivered(), []);
    assert!(bench.slot_is_free());
}

#[tokio::test(start_paused = true)]
async fn the_lane_goes_on_with_the_tasks_behind_it() {
    let bench = OneSlot::new();
    let (mut readable, mut lost) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        lost.push(bench.stored(unreadable(), |_| {}).await);
        lost.push(bench.stored(unreadable(), |_| {}).await);
        readable.push(bench.stored(WorkerKey::new("k"), |_| {}).await);
    }
    bench.start();
    for id in &lost {
        assert_eq!(bench.ended(*id).await.code, Some(ErrorCode::CredentialUnreadable));
    }
    for id in &readable {
        assert_eq!(bench.ended(*id).await.state, TaskState::Completed);
    }
    assert_eq!(bench.delivered(), readable);
    assert!(bench.slot_is_free());
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_submission_claims_it_gets_its_own_answer() {
    let bench = OneSlot::new();
    let lost = bench.stored(unreadable(), |_| {}).await;
    let accepted = bench.dispatcher.submit(submission("sync", None)).await.unwrap();
    let Accepted::Replied(id, Reply::Answer { status, .. }) = accepted else { panic!("{accepted:?}") };
    assert_eq!((status, bench.delivered()), (200, vec![id]));
    assert_eq!(bench.ended(lost).await.code, Some(ErrorCode::CredentialUnreadable));
    assert!(bench.slot_is_free());
}

#[tokio::test(start_paused = true)]
async fn its_webhook_is_told() {
    let bench = OneSlot::new();
    let target = WebhookTarget { url: "http://hook.test/".into(), headers: vec![] };
    let id = bench
        .stored(unreadable(), |spec| {
            spec.mode = Mode::Webhook;
            spec.webhook = Some(target.clone());
        })
        .await;
    bench.start();
    bench.ended(id).await;
    let notice = bench.noticed().await;
    assert_eq!((notice.task, notice.target, notice.code), (id, target, ErrorCode::CredentialUnreadable));
    assert_eq!(Some(notice.error), bench.ended(id).await.error);
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_it_is_told_when_it_ends() {
    let bench = OneSlot::new();
    let id = bench.stored(unreadable(), |_| {}).await;
    let (watching, begun) =
        (bench.dispatcher.task_view_at_end(id, Duration::from_mins(1)), tokio::time::Instant::now());
    let (view, ()) = tokio::join!(watching, async { bench.start() });
    assert_eq!(view.unwrap().unwrap().record.code, Some(ErrorCode::CredentialUnreadable));
    assert!(begun.elapsed() < Duration::from_mins(1), "told, not found at the end of its patience");
}

#[tokio::test(start_paused = true)]
async fn to_run_it_again_is_refused_with_the_reason() {
    let bench = OneSlot::new();
    let id = bench.stored(unreadable(), |_| {}).await;
    let waiting = bench.dispatcher.retry(id).await.unwrap_err();
    assert_eq!(waiting.code, ErrorCode::TaskNotEnded);
    bench.start();
    let ended = bench.ended(id).await;

    let refusal = bench.dispatcher.retry(id).await.unwrap_err();
    assert_eq!((refusal.code, refusal.task), (ErrorCode::CredentialUnreadable, Some(id)));
    assert_eq!(Some(refusal.message.as_str()), ended.error.as_deref());
    assert_eq!(bench.ended(id).await.finished_at, ended.finished_at, "it stays as it ended");
}

#[tokio::test(start_paused = true)]
async fn nothing_sent_under_its_idempotency_key_is_taken_for_a_repeat() {
    let bench = OneSlot::new();
    let repeat = submission("async", Some("key-1"));
    let sent = repeat.idempotency.clone().unwrap();
    let id = bench
        .stored(unreadable(), |spec| {
            spec.idempotency = Some(Idempotency::stored(sent.key, sent.body_hash, &spec.worker_key));
        })
        .await;
    let refusal = bench.dispatcher.submit(repeat).await.unwrap_err();
    assert_eq!((refusal.code, refusal.task), (ErrorCode::IdempotencyMismatch, Some(id)));
    assert!(refusal.message.contains("LB_AUTH_KEY"), "{}", refusal.message);
    let all = bench.queue.list(&TaskFilter { limit: 10, ..TaskFilter::default() }).await.unwrap();
    assert_eq!(all.tasks.len(), 1);
}

fn submission(mode: &str, key: Option<&str>) -> Submission {
    let body = json!({ "group": GROUP, "function": "f", "contract": 1, "mode": mode }).to_string();
    let worker_key = WorkerKey::new("k");
    let key = key.map(|key| IdempotencyKey::parse(key, "key").unwrap());
    let idempotency = key.map(|key| Idempotency::new(key, body.as_bytes(), &worker_key));
    Submission { request: TaskRequest::parse(body.into()).unwrap(), worker_key, idempotency }
}
