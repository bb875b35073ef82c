//! What is counted, listed, refused, forgotten.

use std::time::Duration;

use super::*;

pub(crate) async fn counts_follow_every_step(bench: Bench) {
    let count = async |state: TaskState| *bench.queue.lane_counts(&lane("g")).await.unwrap().counts.of(state);
    bench.add("g", 0).await;
    let gone = bench.add("g", 0).await;
    let mut late = bench.task("g", 0);
    late.run_at = Some(bench.clock.now().after(Duration::from_mins(1)));
    bench.queue.enqueue(late).await.unwrap();
    assert_eq!((count(TaskState::Queued).await, count(TaskState::Delayed).await), (2, 1));
    let claim = bench.claim("g").await.unwrap();
    bench.queue.cancel(gone, cancel()).await.unwrap();
    assert_eq!((count(TaskState::Queued).await, count(TaskState::Running).await), (0, 1));
    bench.queue.settle_many(vec![(claim.lease, complete())]).await.remove(0).unwrap();
    assert_eq!((count(TaskState::Running).await, count(TaskState::Completed).await), (0, 1));
    assert_eq!(count(TaskState::Cancelled).await, 1);
    let all = bench.queue.counts().await.unwrap();
    assert_eq!(all, [bench.queue.lane_counts(&lane("g")).await.unwrap()]);
}

pub(crate) async fn the_oldest_queued_task_is_known_whatever_its_priority(bench: Bench) {
    let oldest = async || bench.queue.oldest_queued(&lane("g")).await.unwrap();
    assert_eq!(oldest().await, None);
    let first = bench.add("g", 5).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let second = bench.add("g", 0).await;
    assert_eq!(oldest().await, Some(first.submitted_at()));
    bench.queue.cancel(first, cancel()).await.unwrap();
    assert_eq!(oldest().await, Some(second.submitted_at()));
    assert!(second.submitted_at() > first.submitted_at());
    bench.claim("g").await.unwrap();
    assert_eq!(oldest().await, None);
}

pub(crate) async fn a_full_queue_refuses_until_there_is_room(bench: Bench) {
    bench.add("g", 0).await;
    bench.add("g", 0).await;
    let refused = Err(QueueError::Full { limit: 2 });
    assert_eq!(bench.queue.enqueue(bench.task("g", 0)).await, refused);
    assert_eq!(bench.queue.enqueue(bench.task("other", 0)).await, refused, "the limit is of all lanes together");
    let (_, claim) = bench.queue.enqueue_and_claim(bench.task("idle", 0), bench.request()).await.unwrap();
    assert!(claim.is_some(), "what runs at once makes no queue longer");
    assert!(bench.queue.enqueue_and_claim(bench.task("g", 0), bench.request()).await.is_err());
    bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.enqueue(bench.task("g", 0)).await, Ok(Enqueued::New));
}

pub(crate) async fn a_task_that_waited_too_long_expires_and_is_told(bench: Bench) {
    let mut events = bench.queue.events();
    let soon = bench.clock.now().after(Duration::from_secs(5));
    let task = bench.task_with("g", 0, |spec| spec.expires_at = soon);
    let id = task.spec.id;
    bench.queue.enqueue(task).await.unwrap();
    let ending = Ending { task: id, state: TaskState::Failed, code: Some(ErrorCode::Expired) };
    // A backend that others share says now and then where tasks wait.
    while events.recv().await.unwrap() != QueueEvent::Ended(ending) {}
    assert_eq!(bench.state(id).await, TaskState::Failed);
    assert!(bench.claim("g").await.is_none());
}

pub(crate) async fn lists_newest_first_page_by_page(bench: Bench) {
    let mut ids = Vec::new();
    for n in 0..5 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        ids.push(bench.add(if n == 2 { "other" } else { "g" }, 0).await);
    }
    let filter = TaskFilter { group: Some("g".into()), limit: 3, ..TaskFilter::default() };
    let page = bench.queue.list(&filter).await.unwrap();
    let listed: Vec<TaskId> = page.tasks.iter().map(|task| task.spec.id).collect();
    assert_eq!(listed, [ids[4], ids[3], ids[1]]);
    let rest = bench.queue.list(&TaskFilter { before: page.next, ..filter }).await.unwrap();
    assert_eq!(rest.tasks.iter().map(|task| task.spec.id).collect::<Vec<_>>(), [ids[0]]);
    assert_eq!(rest.next, None);
}

pub(crate) async fn ended_tasks_leave_by_count(bench: Bench) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(bench.add("g", 0).await);
        let claim = bench.claim("g").await.unwrap();
        bench.queue.settle(&claim.lease, complete()).await.unwrap();
    }
    assert!(bench.queue.get(ids[0]).await.unwrap().is_none());
    assert_eq!(bench.state(ids[1]).await, TaskState::Completed);
    assert_eq!(bench.queue.lane_counts(&lane("g")).await.unwrap().counts.completed, 2);
}

pub(crate) async fn ended_tasks_leave_by_age(bench: Bench) {
    let id = bench.add("g", 0).await;
    let claim = bench.claim("g").await.unwrap();
    bench.queue.settle(&claim.lease, complete()).await.unwrap();
    let waiting = bench.add("g", 0).await;
    let gone = async {
        while bench.queue.get(id).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.unwrap();
    assert_eq!(bench.state(waiting).await, TaskState::Queued, "only what has ended leaves");
}

pub(crate) async fn what_was_purged_takes_nobodys_place(bench: Bench) {
    let mut ids = Vec::new();
    for group in ["kept", "purged", "kept"] {
        ids.push(bench.add(group, 0).await);
        let claim = bench.claim(group).await.unwrap();
        bench.queue.settle(&claim.lease, complete()).await.unwrap();
        let filter = TaskFilter { group: Some("purged".into()), ..TaskFilter::default() };
        bench.queue.purge(&filter).await.unwrap();
    }
    assert_eq!(bench.state(ids[0]).await, TaskState::Completed, "two are kept, and only two are there");
    assert_eq!(bench.state(ids[2]).await, TaskState::Completed);
}

pub(crate) async fn purges_what_has_ended_and_nothing_else(bench: Bench) {
    let waiting = bench.add("g", 0).await;
    let ended = bench.add("g", 0).await;
    bench.queue.cancel(ended, cancel()).await.unwrap();
    assert_eq!(bench.queue.purge(&TaskFilter::default()).await, Ok(1));
    assert!(bench.queue.get(ended).await.unwrap().is_none());
    assert_eq!(bench.state(waiting).await, TaskState::Queued);
}
