//! Which tasks owe a notice, and until when.

use super::*;
use crate::task::{Mode, WebhookTarget};

fn failure() -> Settlement {
    Settlement::Fail { attempt: Some(attempt(1)), error: "no luck".into(), code: ErrorCode::WorkerFailed, result: None }
}

fn webhook_task(bench: &Bench, group: &str, change: impl FnOnce(&mut TaskSpec)) -> NewTask {
    bench.task_with(group, 0, |spec| {
        spec.mode = Mode::Webhook;
        spec.webhook = Some(WebhookTarget { url: "http://receiver".into(), headers: Vec::new() });
        change(spec);
    })
}

async fn add_webhook_task(bench: &Bench, group: &str, change: impl FnOnce(&mut TaskSpec)) -> TaskId {
    let task = webhook_task(bench, group, change);
    let id = task.spec.id;
    assert_eq!(bench.queue.enqueue(task).await, Ok(Enqueued::New));
    id
}

/// Ends the head of the lane, at a moment of its own.
async fn end(bench: &Bench, group: &str, settlement: Settlement) {
    tokio::time::sleep(Duration::from_millis(5)).await;
    let claim = bench.claim(group).await.unwrap();
    assert_eq!(bench.queue.settle(&claim.lease, settlement).await, Ok(Settled::Ended));
}

/// A task that has failed, and owes the notice of that.
async fn failed(bench: &Bench, group: &str) -> TaskId {
    let id = add_webhook_task(bench, group, |_| {}).await;
    end(bench, group, failure()).await;
    id
}

async fn owed(bench: &Bench) -> Vec<OwedNotice> {
    bench.queue.owed_notices(None, 100).await.unwrap()
}

async fn owing(bench: &Bench) -> Vec<TaskId> {
    owed(bench).await.into_iter().map(|notice| notice.task).collect()
}

pub(crate) async fn a_webhook_task_that_fails_in_any_way_owes_a_notice(bench: Bench) {
    let settled = failed(&bench, "g").await;
    let expired =
        add_webhook_task(&bench, "e", |spec| spec.expires_at = bench.clock.now().after(Duration::from_secs(5))).await;
    bench.reaches(expired, TaskState::Failed).await;
    let interrupted = add_webhook_task(&bench, "i", |spec| spec.options.attempts = Some(1)).await;
    let claim = bench.claim("i").await.unwrap();
    assert_eq!(bench.queue.release(&claim.lease, true).await, Ok(Released::Failed));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let unrun = add_webhook_task(&bench, "u", |_| {}).await;
    assert_eq!(bench.queue.cancel(unrun, failure()).await, Ok(Cancelled::Done));
    let all = owed(&bench).await;
    assert_eq!(all.iter().map(|notice| notice.task).collect::<Vec<_>>(), [settled, expired, interrupted, unrun]);
    for notice in all {
        let record = bench.queue.get(notice.task).await.unwrap().unwrap();
        assert_eq!((record.owes_notice, record.finished_at), (true, Some(notice.ended_at)));
    }
}

pub(crate) async fn nothing_else_owes_a_notice(bench: Bench) {
    for settlement in [complete(), cancel()] {
        add_webhook_task(&bench, "g", |_| {}).await;
        end(&bench, "g", settlement).await;
    }
    bench.add("g", 0).await;
    end(&bench, "g", failure()).await;
    let waiting = add_webhook_task(&bench, "g", |_| {}).await;
    let claim = bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.settle(&claim.lease, retry(None)).await, Ok(Settled::Waits(Waiting::Now)));
    assert_eq!(owed(&bench).await, []);
    assert!(!bench.queue.get(waiting).await.unwrap().unwrap().owes_notice);
}

pub(crate) async fn a_notice_that_is_done_is_owed_no_more(bench: Bench) {
    let (told, other) = (failed(&bench, "g").await, failed(&bench, "h").await);
    let notice = owed(&bench).await[0];
    assert_eq!(notice.task, told);
    let earlier = OwedNotice { ended_at: Timestamp::from_millis(notice.ended_at.as_millis() - 1), ..notice };
    bench.queue.notice_done(earlier).await.unwrap();
    assert_eq!(owing(&bench).await, [told, other], "that one was none of this failure");
    for _ in 0..2 {
        bench.queue.notice_done(notice).await.unwrap();
        assert_eq!(owing(&bench).await, [other]);
    }
    let record = bench.queue.get(told).await.unwrap().unwrap();
    assert_eq!((record.state, record.owes_notice, record.attempts.len()), (TaskState::Failed, false, 1));
    assert_eq!((record.code, record.error.as_deref()), (Some(ErrorCode::WorkerFailed), Some("no luck")));
}

pub(crate) async fn notices_come_page_by_page_in_order_of_endings(bench: Bench) {
    let mut ids = Vec::new();
    for group in ["b", "a", "b", "c", "a"] {
        ids.push(failed(&bench, group).await);
    }
    let first = bench.queue.owed_notices(None, 3).await.unwrap();
    let rest = bench.queue.owed_notices(first.last().copied(), 3).await.unwrap();
    assert_eq!((first.len(), rest.len()), (3, 2));
    assert_eq!(first.iter().chain(&rest).map(|notice| notice.task).collect::<Vec<_>>(), ids);
    assert_eq!(bench.queue.owed_notices(rest.last().copied(), 3).await, Ok(Vec::new()));
}

pub(crate) async fn a_task_that_runs_again_owes_nothing_until_it_fails_again(bench: Bench) {
    let id = failed(&bench, "g").await;
    let first = owed(&bench).await[0];
    let until = bench.clock.now().after(Duration::from_mins(5));
    assert_eq!(bench.queue.requeue(id, until).await, Ok(Requeued::Done));
    assert_eq!(owed(&bench).await, []);
    end(&bench, "g", failure()).await;
    let second = owed(&bench).await;
    assert!(second[0].task == id && second[0] > first);
    bench.queue.notice_done(first).await.unwrap();
    assert_eq!(owed(&bench).await, second, "the notice of the first failure is not that of the second");
}

/// With two places for ended tasks.
pub(crate) async fn retention_passes_over_what_owes_a_notice(bench: Bench) {
    let ids = [failed(&bench, "g").await, failed(&bench, "g").await, failed(&bench, "g").await];
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(bench.add("g", 0).await);
        end(&bench, "g", complete()).await;
    }
    assert_eq!(owing(&bench).await, ids);
    assert!(bench.queue.get(others[0]).await.unwrap().is_none(), "they take nobody's place, nor make any");
    assert_eq!(bench.state(others[1]).await, TaskState::Completed);
    for notice in owed(&bench).await {
        bench.queue.notice_done(notice).await.unwrap();
    }
    for id in ids {
        assert!(bench.queue.get(id).await.unwrap().is_none(), "now it is one of the others, and an old one");
    }
    assert_eq!(bench.queue.lane_counts(&lane("g")).await.unwrap().counts.completed, 2);
}

pub(crate) async fn what_is_purged_owes_nothing(bench: Bench) {
    failed(&bench, "g").await;
    assert_eq!(bench.queue.purge(&TaskFilter::default()).await, Ok(1));
    assert_eq!(owed(&bench).await, []);
}
