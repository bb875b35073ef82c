//! Those who wait for the log, and who of them writes it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::poll;

use super::*;

const LONG: Duration = Duration::from_secs(30);

type Enqueue<'a> = Pin<Box<dyn Future<Output = Result<Enqueued, QueueError>> + Send + 'a>>;

impl Bench {
    /// An enqueue that waits in its thread's line: one that finds nobody there, nor has for a while, writes at once.
    async fn waiting<'a>(&self, queue: &'a EmbeddedQueue) -> (TaskId, Enqueue<'a>) {
        for _ in 0..500 {
            let task = self.task("g", 10);
            let id = task.spec.id;
            let mut enqueue: Enqueue<'a> = Box::pin(queue.enqueue(task));
            if poll!(&mut enqueue).is_pending() {
                return (id, enqueue);
            }
        }
        panic!("nobody ever waits");
    }
}

async fn are_kept(bench: &Bench, queue: EmbeddedQueue, ids: &[TaskId]) {
    drop(queue);
    let queue = bench.open();
    for id in ids {
        assert_eq!(queue.get(*id).await.unwrap().unwrap().state, TaskState::Queued);
    }
}

#[tokio::test]
async fn the_first_in_line_sees_to_all_behind_it_also_when_it_goes_away() {
    let bench = Bench::new();
    let queue = bench.open();
    let (first, enqueue) = bench.waiting(&queue).await;
    let (second, mut behind) = bench.waiting(&queue).await;
    drop(enqueue);
    // At once, and not when the thread has had a look.
    assert_eq!(poll!(&mut behind), std::task::Poll::Ready(Ok(Enqueued::New)));
    drop(behind);
    are_kept(&bench, queue, &[first, second]).await;
}

#[tokio::test]
async fn nobody_waits_for_ever_behind_one_that_is_held_and_not_asked_any_more() {
    let bench = Bench::new();
    let queue = bench.open();
    let (first, held) = bench.waiting(&queue).await;
    let (second, behind) = bench.waiting(&queue).await;
    assert_eq!(tokio::time::timeout(LONG, behind).await, Ok(Ok(Enqueued::New)));
    assert_eq!(held.await, Ok(Enqueued::New));
    are_kept(&bench, queue, &[first, second]).await;
}

#[tokio::test]
async fn what_one_who_waits_cannot_write_is_written_by_the_thread() {
    let bench = Bench::new();
    let queue = bench.open();
    let (first, enqueue) = bench.waiting(&queue).await;
    let (second, behind) = bench.waiting(&queue).await;
    bench.disk.dies();
    // It tries, and leaves it to the thread.
    drop(enqueue);
    let fails = async {
        while queue.journal.health() == Health::Good {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, fails).await.expect("the thread tries, too");
    let mut behind = behind;
    assert!(poll!(&mut behind).is_pending(), "nobody is told before it is written");
    bench.disk.is_cleared(&bench.folder());
    assert_eq!(tokio::time::timeout(LONG, behind).await, Ok(Ok(Enqueued::New)));
    let third = bench.add(&queue, "g", 10).await;
    are_kept(&bench, queue, &[first, second, third]).await;
}

#[test]
fn many_threads_write_and_none_waits_in_vain() {
    const THREADS: usize = 8;
    const TASKS: usize = 100;
    let bench = Bench::new();
    let queue = bench.open();
    // Each with a runtime of its own, as connections are served.
    let one_thread = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let all = async {
            let some = (0..4).map(|_| async {
                let mut ids = Vec::new();
                for _ in 0..TASKS / 4 {
                    let task = bench.task("g", 10);
                    ids.push(task.spec.id);
                    assert_eq!(queue.enqueue(task).await, Ok(Enqueued::New));
                }
                ids
            });
            futures_util::future::join_all(some).await.concat()
        };
        runtime.block_on(async { tokio::time::timeout(LONG, all).await }).expect("nobody waits in vain")
    };
    let ids = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(one_thread)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(ids.len(), THREADS * TASKS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(are_kept(&bench, queue, &ids));
}
