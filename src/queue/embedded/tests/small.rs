//! A log of small files: what is of no use goes, what is of use is copied away.

use std::time::Duration;

use super::*;
use crate::queue::conformance::{complete, retry};

/// Waits until the writer has tidied up so far.
pub(super) async fn settles(bench: &Bench, done: impl Fn(&Bench) -> bool) {
    let settled = async {
        while !done(bench) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(30), settled).await;
    settled.unwrap_or_else(|_| panic!("in vain; {} bytes", bench.log_bytes()));
}

fn few_kept() -> Bench {
    Bench { limits: QueueLimits { retention_count: 3, ..limits() }, ..Bench::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_does_not_grow_with_what_has_passed_through_it() {
    let bench = few_kept();
    let queue = bench.open();
    bench.churn(&queue, 200).await;
    settles(&bench, |bench| bench.log_bytes() < 8 * SMALL.segment).await;
    drop(queue);
    let queue = bench.open();
    assert_eq!(queue.counts().await.unwrap()[0].counts.completed, 3, "what is kept is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stragglers_are_copied_along_as_they_stand() {
    let bench = few_kept();
    let queue = bench.open();
    let far = bench.clock.now().after(Duration::from_hours(10));
    queue.set_paused(&lane("paused"), true).await.unwrap();
    let mut records = Vec::new();
    for priority in [7, 0, 7, 1] {
        let task = NewTask { priority: Priority::new(priority), ..bench.task("paused", 200) };
        records.push(task.spec.id);
        queue.enqueue(task).await.unwrap();
    }
    assert!(queue.reprioritize(records[2], Priority::new(2)).await.unwrap());
    let delayed = NewTask { run_at: Some(far), ..bench.task("later", 200) };
    records.push(delayed.spec.id);
    queue.enqueue(delayed).await.unwrap();
    let tried = bench.add(&queue, "tried", 200).await;
    for at in [None, Some(far)] {
        let claim = bench.claim(&queue, "tried").await.unwrap();
        queue.settle(&claim.lease, retry(at)).await.unwrap();
    }
    records.push(tried);
    let running = bench.add(&queue, "running", 200).await;
    let claim = bench.claim(&queue, "running").await.unwrap();
    let before = shown(&queue, &records).await;

    for round in 0..4 {
        bench.churn(&queue, 60).await;
        settles(&bench, |bench| bench.log_bytes() < 10 * SMALL.segment).await;
        assert_eq!(shown(&queue, &records).await, before, "round {round}");
    }
    // Of tasks that end within one millisecond the oldest goes first, and that would be this one.
    let churned = bench.clock.now();
    while bench.clock.now() <= churned {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.settle(&claim.lease, complete()).await, Ok(Settled::Ended), "a claim outlives the copying");
    drop(queue);
    for round in 0..3 {
        let queue = bench.open();
        assert_eq!(shown(&queue, &records).await, before, "after restart {round}");
        assert_eq!(queue.get(running).await.unwrap().unwrap().state, TaskState::Completed);
        assert!(queue.lane_counts(&lane("paused")).await.unwrap().paused);
        assert!(bench.claim(&queue, "paused").await.is_none());
    }
    let queue = bench.open();
    queue.set_paused(&lane("paused"), false).await.unwrap();
    let mut order = Vec::new();
    while let Some(claim) = bench.claim(&queue, "paused").await {
        order.push(claim.spec.id);
    }
    assert_eq!(order, [records[1], records[3], records[2], records[0]]);
}

/// Tasks as they are shown.
async fn shown(queue: &EmbeddedQueue, ids: &[TaskId]) -> Vec<String> {
    let mut shown = Vec::new();
    for id in ids {
        shown.push(format!("{:?}", queue.get(*id).await.unwrap().unwrap()));
    }
    shown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_resumed_stays_resumed_when_the_log_is_cut() {
    let bench = few_kept();
    let queue = bench.open();
    for paused in [true, false] {
        queue.set_paused(&lane("a"), paused).await.unwrap();
    }
    queue.set_paused(&lane("b"), true).await.unwrap();
    bench.churn(&queue, 60).await;
    settles(&bench, |bench| bench.disk.cuts.load(std::sync::atomic::Ordering::SeqCst) > 2).await;
    drop(queue);
    let queue = bench.open();
    assert!(!queue.lane_counts(&lane("a")).await.unwrap().paused);
    assert!(queue.lane_counts(&lane("b")).await.unwrap().paused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_larger_than_a_file_are_kept_and_dropped_like_others() {
    let bench = few_kept();
    let queue = bench.open();
    let large = bench.add(&queue, "large", 3 * 4096 + 100).await;
    bench.churn(&queue, 40).await;
    drop(queue);
    let queue = bench.open();
    assert_eq!(queue.get(large).await.unwrap().unwrap().spec.body.len(), 3 * 4096 + 100);
    let claim = bench.claim(&queue, "large").await.unwrap();
    queue.settle(&claim.lease, complete()).await.unwrap();
    bench.churn(&queue, 40).await;
    settles(&bench, |bench| bench.log_bytes() < 8 * SMALL.segment).await;
    assert!(queue.get(large).await.unwrap().is_none());
}
