//! A disk that dies under load, while the log is tidied up.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::queue::conformance::complete;

const CALLERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_anybody_was_told_is_there_and_no_end_without_its_result() {
    let bench = Arc::new(Bench { limits: QueueLimits { retention_count: 200, ..limits() }, ..Bench::new() });
    let queue = Arc::new(bench.open());
    let (known, done) = (Arc::<Mutex<HashSet<TaskId>>>::default(), Arc::<Mutex<HashSet<TaskId>>>::default());
    let over = Arc::new(AtomicBool::new(false));
    let caller = |n: usize| {
        let (bench, queue, over) = (Arc::clone(&bench), Arc::clone(&queue), Arc::clone(&over));
        let (known, done) = (Arc::clone(&known), Arc::clone(&done));
        async move {
            let group = format!("g{n}");
            while !over.load(Ordering::Relaxed) {
                let task = bench.task(&group, 500);
                let id = task.spec.id;
                let Ok((_, Some(claim))) = queue.enqueue_and_claim(task, bench.request()).await else { return };
                known.lock().insert(id);
                let Ok(_) = queue.settle(&claim.lease, complete()).await else { return };
                done.lock().insert(claim.spec.id);
            }
        }
    };
    let callers: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(caller(n))).collect();
    // Stragglers that have to be copied again and again.
    for _ in 0..20 {
        let straggler = bench.add(&queue, "still", 200).await;
        known.lock().insert(straggler);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bench.disk.dies();
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    drop(queue);
    bench.disk.is_cleared(&bench.folder());

    let queue = bench.open();
    let (known, done) = (std::mem::take(&mut *known.lock()), std::mem::take(&mut *done.lock()));
    assert!(done.len() > 50 && bench.disk.cuts.load(Ordering::SeqCst) > 2, "{} done", done.len());
    for id in known {
        let record = queue.get(id).await.unwrap();
        let Some(record) = record else {
            assert!(done.contains(&id), "{id} is gone");
            continue;
        };
        assert!(!done.contains(&id) || record.state == TaskState::Completed, "{record:?}");
        let whole = record.result.is_some() && record.attempts.len() == 1;
        assert_eq!(whole, record.state == TaskState::Completed, "{record:?}");
    }
}
