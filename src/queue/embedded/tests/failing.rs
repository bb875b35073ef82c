//! A disk that fails in other ways.

use std::sync::atomic::Ordering;

use super::*;

async fn fails_and_recovers(bench: &Bench, fault: &std::sync::atomic::AtomicBool) {
    let queue = Arc::new(bench.open());
    let before = bench.add(&queue, "g", 100).await;
    fault.store(true, Ordering::SeqCst);
    bench.disk.has_room_for(300);
    let task = bench.task("g", 20_000);
    let id = task.spec.id;
    let waiting = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.enqueue(task).await }
    });
    while queue.journal.health() == Health::Good {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(!waiting.is_finished(), "nobody is told before it is written");
    bench.disk.is_cleared(&bench.folder());
    // Some more tries.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let still_fails = !waiting.is_finished();
    fault.store(false, Ordering::SeqCst);
    assert_eq!(waiting.await.unwrap(), Ok(Enqueued::New));
    assert!(still_fails, "it was told of what is not there");
    let after = bench.add(&queue, "g", 100).await;
    drop(queue);
    let queue = bench.open();
    for id in [before, id, after] {
        assert_eq!(queue.get(id).await.unwrap().unwrap().state, TaskState::Queued);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fsync_nobody_is_told_before_a_sync_has_succeeded() {
    let bench = Bench { durability: Durability::Disk, ..Bench::new() };
    fails_and_recovers(&bench, &bench.disk.fail_sync).await;
    assert!(bench.disk.syncs.load(Ordering::SeqCst) >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_behind_what_could_not_be_cut_off() {
    let bench = Bench::new();
    fails_and_recovers(&bench, &bench.disk.fail_truncate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_shortened_is_kept_and_shortened_later() {
    let bench = Bench { limits: QueueLimits { retention_count: 1, ..limits() }, ..Bench::new() };
    let mut queue = bench.open();
    let kept = bench.add(&queue, "still", 100).await;
    for restarted in [false, true] {
        let cuts = bench.disk.cuts.load(Ordering::SeqCst);
        bench.disk.fail_cut.store(true, Ordering::SeqCst);
        bench.churn(&queue, 60).await;
        small::settles(&bench, |bench| bench.disk.cuts.load(Ordering::SeqCst) > cuts).await;
        assert!(bench.log_bytes() > 40_000);
        if restarted {
            drop(queue);
            bench.disk.fail_cut.store(false, Ordering::SeqCst);
            queue = bench.open();
            // What had been forgotten is known again, and goes as further tasks end.
            bench.churn(&queue, 40).await;
        }
        bench.disk.fail_cut.store(false, Ordering::SeqCst);
        small::settles(&bench, |bench| bench.log_bytes() < 8 * SMALL.segment).await;
        assert_eq!(queue.get(kept).await.unwrap().unwrap().state, TaskState::Queued);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_emptied_marker_of_the_log_does_no_harm_and_a_bad_beginning_is_refused() {
    let bench = Bench { limits: QueueLimits { retention_count: 1, ..limits() }, ..Bench::new() };
    let queue = bench.open();
    bench.churn(&queue, 30).await;
    let kept = bench.add(&queue, "still", 100).await;
    small::settles(&bench, |bench| bench.log_bytes() < 5 * SMALL.segment).await;
    drop(queue);
    let beginning = bench.folder().join("beginning");
    let good = std::fs::read(&beginning).unwrap();
    // A kill in the middle of a cut.
    let own = ["beginning", "reserve", "beginning.new"];
    let files = std::fs::read_dir(bench.folder()).unwrap().map(|file| file.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let markers: Vec<_> = files.filter(|file| !own.contains(&&*name(file)) && file.extension().is_none()).collect();
    assert_eq!(markers.len(), 1, "{markers:?}");
    std::fs::write(&markers[0], []).unwrap();
    std::fs::write(bench.folder().join("beginning.new"), [1]).unwrap();
    let queue = bench.open();
    assert_eq!(queue.get(kept).await.unwrap().unwrap().state, TaskState::Queued);
    drop(queue);

    std::fs::write(&beginning, [1, 2, 3]).unwrap();
    let error = bench.try_open().unwrap_err().to_string();
    assert!(error.contains("beginning"), "{error}");
    std::fs::write(&beginning, good).unwrap();
    assert!(bench.open().get(kept).await.unwrap().is_some());
}
