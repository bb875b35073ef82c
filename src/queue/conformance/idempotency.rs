//! One task a key.

use super::*;
use crate::task::{Idempotency, IdempotencyKey};

pub(crate) fn keyed(bench: &Bench, group: &str, key: &str) -> NewTask {
    let key = IdempotencyKey::parse(key, "key").unwrap();
    bench.task_with(group, 0, |spec| spec.idempotency = Some(Idempotency::new(key, &spec.body, &spec.worker_key)))
}

pub(crate) async fn a_key_belongs_to_one_task(bench: Bench) {
    let first = keyed(&bench, "g", "k");
    let id = first.spec.id;
    assert_eq!(bench.queue.enqueue(first.clone()).await, Ok(Enqueued::New));
    assert_eq!(bench.queue.enqueue(first.clone()).await, Ok(Enqueued::Known), "a repeat of an enqueue is no duplicate");
    let second = keyed(&bench, "other", "k");
    assert_eq!(bench.queue.enqueue(second.clone()).await, Ok(Enqueued::Duplicate(id)), "whatever the lane");
    assert_eq!(bench.queue.enqueue(second.clone()).await, Ok(Enqueued::Duplicate(id)));
    assert!(bench.queue.get(second.spec.id).await.unwrap().is_none(), "nothing of it is stored");
    assert_eq!(bench.queue.enqueue(keyed(&bench, "g", "K")).await, Ok(Enqueued::New), "keys are compared as they are");

    let claim = bench.claim("g").await.unwrap();
    assert_eq!((claim.spec.id, claim.spec.idempotency.clone()), (id, first.spec.idempotency.clone()));
    assert_eq!(bench.queue.enqueue(second.clone()).await, Ok(Enqueued::Duplicate(id)), "while it runs");
    bench.queue.settle(&claim.lease, complete()).await.unwrap();
    assert_eq!(bench.queue.enqueue(second).await, Ok(Enqueued::Duplicate(id)), "and when it has ended");
}

pub(crate) async fn a_duplicate_is_told_by_every_way_in(bench: Bench) {
    let first = keyed(&bench, "g", "k");
    let id = first.spec.id;
    let answers = bench.queue.enqueue_many(vec![first, keyed(&bench, "g", "k"), keyed(&bench, "g", "l")]).await;
    assert_eq!(answers, [Ok(Enqueued::New), Ok(Enqueued::Duplicate(id)), Ok(Enqueued::New)]);
    let (enqueued, claim) = bench.queue.enqueue_and_claim(keyed(&bench, "g", "k"), bench.request()).await.unwrap();
    assert_eq!((enqueued, claim.map(|claim| claim.spec.id)), (Enqueued::Duplicate(id), None), "nothing is claimed");

    let ran = keyed(&bench, "idle", "ran-at-once");
    let ran_id = ran.spec.id;
    let (enqueued, claim) = bench.queue.enqueue_and_claim(ran, bench.request()).await.unwrap();
    assert_eq!((enqueued, claim.unwrap().spec.id), (Enqueued::New, ran_id));
    assert_eq!(bench.queue.enqueue(keyed(&bench, "g", "ran-at-once")).await, Ok(Enqueued::Duplicate(ran_id)));
    assert_eq!(bench.queue.lane_counts(&lane("g")).await.unwrap().counts.queued, 2);
}

pub(crate) async fn of_many_at_once_one_gets_the_key(bench: Bench) {
    for round in 0..20 {
        let key = format!("k{round}");
        let tries: Vec<_> = (0..8)
            .map(|n| {
                let (queue, task, request) = (Arc::clone(&bench.queue), keyed(&bench, "g", &key), bench.request());
                tokio::spawn(async move {
                    let id = task.spec.id;
                    let enqueued = match n % 2 {
                        0 => queue.enqueue(task).await.unwrap(),
                        _ => queue.enqueue_and_claim(task, request).await.unwrap().0,
                    };
                    // Whoever is told of another task finds it.
                    if let Enqueued::Duplicate(holder) = enqueued {
                        assert!(queue.get(holder).await.unwrap().is_some());
                    }
                    (id, enqueued)
                })
            })
            .collect();
        let mut answers = Vec::new();
        for answer in tries {
            answers.push(answer.await.unwrap());
        }
        let new: Vec<TaskId> =
            answers.iter().filter(|(_, enqueued)| *enqueued == Enqueued::New).map(|it| it.0).collect();
        let [winner] = new[..] else { panic!("{answers:?}") };
        for (id, enqueued) in answers.iter().filter(|(id, _)| *id != winner) {
            assert_eq!(*enqueued, Enqueued::Duplicate(winner), "{id}");
        }
    }
}

/// With room for two tasks.
pub(crate) async fn a_full_queue_knows_its_keys_and_gives_none_to_what_it_refuses(bench: Bench) {
    let first = keyed(&bench, "g", "k");
    let id = first.spec.id;
    bench.queue.enqueue(first).await.unwrap();
    bench.add("g", 0).await;
    assert_eq!(bench.queue.enqueue(keyed(&bench, "g", "k")).await, Ok(Enqueued::Duplicate(id)));
    let refused = keyed(&bench, "g", "l");
    assert_eq!(bench.queue.enqueue(refused.clone()).await, Err(QueueError::Full { limit: 2 }));
    let answer = bench.queue.enqueue_and_claim(refused, bench.request()).await;
    assert_eq!(answer.map(|(enqueued, _)| enqueued), Err(QueueError::Full { limit: 2 }));
    bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.enqueue(keyed(&bench, "g", "l")).await, Ok(Enqueued::New));
}

pub(crate) async fn a_key_is_free_again_after_a_purge(bench: Bench) {
    let first = keyed(&bench, "g", "k");
    let id = first.spec.id;
    bench.queue.enqueue(first).await.unwrap();
    assert_eq!(bench.queue.purge(&TaskFilter::default()).await, Ok(0));
    assert_eq!(bench.queue.enqueue(keyed(&bench, "g", "k")).await, Ok(Enqueued::Duplicate(id)));
    bench.queue.cancel(id, cancel()).await.unwrap();
    assert_eq!(bench.queue.purge(&TaskFilter::default()).await, Ok(1));
    assert_eq!(bench.queue.enqueue(keyed(&bench, "g", "k")).await, Ok(Enqueued::New));
}

/// With ended tasks kept for two seconds.
pub(crate) async fn a_key_leaves_with_its_task(bench: Bench) {
    let first = keyed(&bench, "g", "k");
    let id = first.spec.id;
    bench.queue.enqueue(first).await.unwrap();
    let claim = bench.claim("g").await.unwrap();
    bench.queue.settle(&claim.lease, complete()).await.unwrap();
    let mut second = keyed(&bench, "g", "k");
    assert_eq!(bench.queue.enqueue(second.clone()).await, Ok(Enqueued::Duplicate(id)));
    let gone = async {
        while bench.queue.get(id).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        while bench.queue.enqueue(second.clone()).await.unwrap() != Enqueued::New {
            tokio::time::sleep(Duration::from_millis(50)).await;
            second = keyed(&bench, "g", "k");
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.unwrap();
}
