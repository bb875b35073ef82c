//! Tasks that run again on request, and who stands where.

use super::*;
use crate::task::{Contract, Mode, StoredResult};

/// Ends the head of the lane.
async fn end(bench: &Bench, group: &str, settlement: Settlement) -> Claim {
    let claim = bench.claim(group).await.unwrap();
    assert_eq!(bench.queue.settle(&claim.lease, settlement).await, Ok(Settled::Ended));
    claim
}

fn fail(n: u32) -> Settlement {
    let body = Bytes::from_static(b"{}");
    let result = StoredResult { status: 500, content_type: None, body, truncated: false };
    let error = "no luck".into();
    Settlement::Fail { attempt: Some(attempt(n)), error, code: ErrorCode::WorkerFailed, result: Some(result) }
}

async fn requeue(bench: &Bench, id: TaskId) -> Requeued {
    bench.queue.requeue(id, bench.clock.now().after(Duration::from_mins(5))).await.unwrap()
}

pub(crate) async fn a_requeued_task_waits_as_if_it_had_not_ended_but_keeps_its_history(bench: Bench) {
    let id = bench.add("g", 3).await;
    end(&bench, "g", fail(1)).await;
    let mut events = bench.queue.events();
    let until = bench.clock.now().after(Duration::from_mins(5));
    assert_eq!(bench.queue.requeue(id, until).await, Ok(Requeued::Done));
    assert_eq!(events.recv().await, Ok(QueueEvent::Claimable(lane("g"))));
    assert_eq!(bench.queue.requeue(id, until).await, Ok(Requeued::NotEnded), "a repeat finds it waiting");
    let record = bench.queue.get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.priority, record.attempts.len()), (TaskState::Queued, Priority::new(3), 1));
    assert_eq!(record.spec.expires_at, until);
    assert!(record.finished_at.is_none() && record.result.is_none() && record.error.is_none() && record.code.is_none());
    let counts = bench.queue.lane_counts(&lane("g")).await.unwrap().counts;
    assert_eq!(counts, StateCounts { queued: 1, ..StateCounts::default() });

    let claim = bench.claim("g").await.unwrap();
    assert_eq!((claim.attempts, claim.earlier, claim.used(), claim.last_attempt.clone()), (1, 1, 0, None));
    bench.queue.settle(&claim.lease, Settlement::Retry { attempt: attempt(2), at: None }).await.unwrap();
    let claim = end(&bench, "g", complete()).await;
    assert_eq!((claim.attempts, claim.used(), claim.last_attempt), (2, 1, Some(attempt(2))));
    assert_eq!(bench.queue.get(id).await.unwrap().unwrap().attempts.len(), 3);
}

pub(crate) async fn only_what_has_ended_is_requeued(bench: Bench) {
    let id = bench.add("g", 0).await;
    assert_eq!(requeue(&bench, id).await, Requeued::NotEnded);
    let claim = bench.claim("g").await.unwrap();
    assert_eq!(requeue(&bench, id).await, Requeued::NotEnded);
    assert_eq!(bench.queue.settle(&claim.lease, cancel()).await, Ok(Settled::Ended));
    assert_eq!(requeue(&bench, id).await, Requeued::Done);
    assert_eq!(requeue(&bench, bench.task("g", 0).spec.id).await, Requeued::Unknown);
}

pub(crate) async fn only_what_has_ended_is_forgotten_and_nothing_beside_it(bench: Bench) {
    let (id, other) = (bench.add("g", 0).await, bench.add("g", 0).await);
    assert_eq!(bench.queue.forget(id).await, Ok(false));
    end(&bench, "g", complete()).await;
    end(&bench, "g", fail(1)).await;
    assert_eq!(bench.queue.forget(id).await, Ok(true));
    assert_eq!(bench.queue.forget(id).await, Ok(false), "it is gone");
    assert!(bench.queue.get(id).await.unwrap().is_none());
    let counts = bench.queue.lane_counts(&lane("g")).await.unwrap().counts;
    assert_eq!(counts, StateCounts { failed: 1, ..StateCounts::default() });
    assert!(bench.queue.get(other).await.unwrap().is_some());
}

pub(crate) async fn a_requeued_task_goes_behind_its_equals(bench: Bench) {
    let again = bench.add("g", 5).await;
    end(&bench, "g", complete()).await;
    let equal = bench.add("g", 5).await;
    let later = bench.add("g", 6).await;
    assert_eq!(requeue(&bench, again).await, Requeued::Done);
    assert_eq!(bench.claimed_ids("g").await, [equal, again, later]);
}

pub(crate) async fn a_requeued_sync_task_is_async_and_has_time_anew(bench: Bench) {
    let soon = bench.clock.now().after(Duration::from_secs(5));
    let task = bench.task_with("g", 0, |spec| {
        spec.mode = Mode::Sync;
        spec.expires_at = soon;
    });
    let id = task.spec.id;
    bench.queue.enqueue(task).await.unwrap();
    bench.reaches(id, TaskState::Failed).await;
    assert_eq!(requeue(&bench, id).await, Requeued::Done);
    tokio::time::sleep(Duration::from_secs(270)).await;
    let record = bench.queue.get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.spec.mode), (TaskState::Queued, Mode::Async));
    bench.reaches(id, TaskState::Failed).await;
    assert_eq!(bench.queue.get(id).await.unwrap().unwrap().code, Some(ErrorCode::Expired), "at its new time");
}

pub(crate) async fn interruptions_begin_at_none_for_a_requeued_task(bench: Bench) {
    let id = bench.add("g", 0).await;
    for _ in 0..3 {
        let claim = bench.claim("g").await.unwrap();
        bench.queue.release(&claim.lease, true).await.unwrap();
    }
    assert_eq!(bench.state(id).await, TaskState::Failed);
    assert_eq!(requeue(&bench, id).await, Requeued::Done);
    let claim = bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.release(&claim.lease, true).await, Ok(Released::Waits));
    assert_eq!(bench.queue.get(id).await.unwrap().unwrap().interruptions, 1);
}

pub(crate) async fn a_settle_repeated_after_a_requeue_answers_as_the_first_did(bench: Bench) {
    let id = bench.add("g", 0).await;
    let claim = end(&bench, "g", complete()).await;
    requeue(&bench, id).await;
    assert_eq!(bench.queue.settle(&claim.lease, complete()).await, Ok(Settled::Ended));
    assert_eq!(bench.state(id).await, TaskState::Queued, "and changes nothing");
    let second = bench.claim("g").await.unwrap();
    assert!(second.lease.token > claim.lease.token);
    assert_eq!(bench.queue.release(&claim.lease, false).await, Err(QueueError::LeaseLost));
    assert_eq!(bench.state(id).await, TaskState::Running);
}

/// With two places for waiting tasks.
pub(crate) async fn a_full_queue_has_no_room_for_a_requeued_task(bench: Bench) {
    let id = bench.add("g", 0).await;
    end(&bench, "g", complete()).await;
    bench.add("g", 0).await;
    bench.add("g", 0).await;
    let until = bench.clock.now().after(Duration::from_mins(5));
    assert_eq!(bench.queue.requeue(id, until).await, Err(QueueError::Full { limit: 2 }));
    assert_eq!(bench.state(id).await, TaskState::Completed);
    bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.requeue(id, until).await, Ok(Requeued::Done));
    assert_eq!(bench.queue.enqueue(bench.task("g", 0)).await, Err(QueueError::Full { limit: 2 }), "it takes a place");
}

/// With two places for ended tasks.
pub(crate) async fn retention_counts_from_the_last_ending(bench: Bench) {
    let first = bench.add("g", 0).await;
    end(&bench, "g", complete()).await;
    requeue(&bench, first).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let claim = bench.claim("g").await.unwrap();
    let others = [bench.add("h", 0).await, bench.add("h", 0).await];
    for _ in others {
        end(&bench, "h", complete()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bench.state(first).await, TaskState::Running, "its first ending counts no more");
    assert_eq!(bench.state(others[0]).await, TaskState::Completed);
    bench.queue.settle(&claim.lease, complete()).await.unwrap();
    assert!(bench.queue.get(others[0]).await.unwrap().is_none(), "the oldest ending leaves");
    assert_eq!(bench.state(first).await, TaskState::Completed);
}

pub(crate) async fn a_position_says_how_many_go_before(bench: Bench) {
    let last = bench.add("g", 9).await;
    let first = bench.add("g", 0).await;
    let second = bench.add("g", 0).await;
    let mut late = bench.task("g", 0);
    let delayed = late.spec.id;
    late.run_at = Some(bench.clock.now().after(Duration::from_mins(1)));
    bench.queue.enqueue(late).await.unwrap();
    bench.add("other", 0).await;
    let position = async |id| bench.queue.position(id).await.unwrap();
    assert_eq!((position(first).await, position(second).await, position(last).await), (Some(0), Some(1), Some(2)));
    assert_eq!(position(delayed).await, None);
    assert_eq!(position(bench.task("g", 0).spec.id).await, None);
    bench.queue.reprioritize(last, None).await.unwrap();
    assert_eq!(position(last).await, Some(0), "by its time of submission");
    let claim = bench.claim("g").await.unwrap();
    assert_eq!((position(claim.spec.id).await, position(first).await), (None, Some(0)));
}

/// With room for more waiting tasks than are counted.
pub(crate) async fn a_position_is_counted_only_so_far(bench: Bench) {
    let tasks: Vec<NewTask> = (0..MAX_POSITION + 2).map(|_| bench.task("g", 0)).collect();
    let ids: Vec<TaskId> = tasks.iter().map(|task| task.spec.id).collect();
    assert!(bench.queue.enqueue_many(tasks).await.iter().all(|enqueued| *enqueued == Ok(Enqueued::New)));
    let within = ids[MAX_POSITION];
    let beyond = ids[MAX_POSITION + 1];
    assert_eq!(bench.queue.position(within).await, Ok(Some(MAX_POSITION as u64)));
    assert_eq!(bench.queue.position(beyond).await, Ok(None));
    bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.position(beyond).await, Ok(Some(MAX_POSITION as u64)));
}

pub(crate) async fn a_promotion_is_told(bench: Bench) {
    let mut task = bench.task("g", 0);
    let id = task.spec.id;
    task.run_at = Some(bench.clock.now().after(Duration::from_mins(10)));
    bench.queue.enqueue(task).await.unwrap();
    let mut events = bench.queue.events();
    assert_eq!(bench.queue.promote(id).await, Ok(true));
    assert_eq!(events.recv().await, Ok(QueueEvent::Claimable(lane("g"))));
}

pub(crate) async fn each_filter_leaves_out_what_does_not_match(bench: Bench) {
    let failed = bench.task_with("g", 0, |spec| {
        spec.function = "special".into();
        spec.options.tenant = Some("acme".into());
    });
    let id = failed.spec.id;
    let created = failed.spec.created_at;
    bench.queue.enqueue(failed).await.unwrap();
    end(&bench, "g", fail(1)).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let other = bench.add("other", 0).await;
    let all = TaskFilter { limit: 10, ..TaskFilter::default() };
    let listed = async |filter: TaskFilter| {
        let page = bench.queue.list(&filter).await.unwrap();
        page.tasks.iter().map(|task| task.spec.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(all.clone()).await, [other, id]);
    for filter in [
        TaskFilter { states: vec![TaskState::Failed, TaskState::Running], ..all.clone() },
        TaskFilter { group: Some("g".into()), ..all.clone() },
        TaskFilter { function: Some("special".into()), ..all.clone() },
        TaskFilter { worker: Some("http://w".into()), ..all.clone() },
        TaskFilter { tenant: Some("acme".into()), ..all.clone() },
        TaskFilter { until: Some(created.after(Duration::from_millis(1))), ..all.clone() },
        TaskFilter { text: Some("luck".into()), ..all.clone() },
        TaskFilter { text: Some(id.to_string().into()), ..all.clone() },
    ] {
        assert_eq!(listed(filter.clone()).await, [id], "{filter:?}");
    }
    let since = Some(created.after(Duration::from_millis(1)));
    assert_eq!(listed(TaskFilter { since, ..all.clone() }).await, [other]);
    assert_eq!(listed(TaskFilter { contract: Contract::new(2.0), ..all.clone() }).await, []);
    let on_worker_now = std::collections::HashSet::from([other]);
    let there = TaskFilter { worker: Some("http://x".into()), on_worker_now, ..all };
    assert_eq!(listed(there).await, [other], "what runs there is not in the store yet");
}
