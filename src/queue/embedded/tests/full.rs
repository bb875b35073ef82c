//! A full disk.

use super::*;
use crate::queue::conformance::complete;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_tasks_are_refused_what_runs_ends_and_it_heals() {
    let bench = Bench::new();
    let queue = bench.open();
    let mut known = Vec::new();
    for _ in 0..3 {
        known.push(bench.add(&queue, "run", 100).await);
    }
    let mut claims = Vec::new();
    for _ in 0..3 {
        claims.push(bench.claim(&queue, "run").await.unwrap());
    }
    bench.disk.has_room_for(5_000);
    let refused = loop {
        let task = bench.task("wait", 1_000);
        let id = task.spec.id;
        match queue.enqueue(task).await {
            Ok(enqueued) => {
                assert_eq!(enqueued, Enqueued::New);
                known.push(id);
            }
            Err(error) => break error,
        }
        assert!(known.len() < 30, "more than there is room for");
    };
    assert_eq!(refused, QueueError::StorageFull);
    for claim in &claims {
        assert_eq!(queue.settle(&claim.lease, complete()).await, Ok(Settled::Ended));
    }
    assert_eq!(queue.enqueue(bench.task("wait", 10)).await, Err(QueueError::StorageFull));
    assert_eq!(queue.ping().await, Ok(()), "it answers still");

    bench.disk.is_cleared(&bench.folder());
    let healed = async {
        loop {
            let task = bench.task("wait", 10);
            let id = task.spec.id;
            match queue.enqueue(task).await {
                Ok(_) => break id,
                Err(error) => assert_eq!(error, QueueError::StorageFull),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    known.push(tokio::time::timeout(std::time::Duration::from_secs(30), healed).await.expect("it heals"));
    drop(queue);

    let queue = bench.open();
    for (n, id) in known.into_iter().enumerate() {
        let expected = if n < 3 { TaskState::Completed } else { TaskState::Queued };
        assert_eq!(queue.get(id).await.unwrap().unwrap().state, expected, "task {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_half_way_leaves_no_hole() {
    let bench = Bench::new();
    let queue = bench.open();
    let before = bench.add(&queue, "g", 100).await;
    // No more than a part of the next group, with the reserve.
    bench.disk.has_room_for(700);
    let task = bench.task("g", 20_000);
    let (id, queue) = (task.spec.id, Arc::new(queue));
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.enqueue(task).await }
    });
    while queue.journal.health() != Health::Full {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    bench.disk.is_cleared(&bench.folder());
    assert_eq!(waiting.await.unwrap(), Ok(Enqueued::New));
    drop(queue);
    let queue = bench.open();
    for id in [before, id] {
        assert_eq!(queue.get(id).await.unwrap().unwrap().state, TaskState::Queued);
    }
}
