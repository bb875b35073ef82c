//! What every queue backend must do. One suite, run on each of them as it is, and under faults behind a caller that repeats what failed:
//! `conformance!(suite::once, make)`, `conformance!(suite::under_faults, make)`.

mod again;
mod bench;
mod faulty;
mod idempotency;
mod keeping;
mod notices;
mod persistent;
mod runs;
mod standstill;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::task::{ErrorCode, TaskState};
use crate::{queue, task};

pub(crate) use self::idempotency::*;
pub(crate) use again::*;
pub(crate) use bench::*;
pub(crate) use keeping::*;
pub(crate) use notices::*;
pub(crate) use runs::*;
pub(crate) use standstill::still;

pub(crate) async fn orders_by_priority_then_by_arrival(bench: Bench) {
    let hundred = bench.add("g", 100).await;
    let five = bench.add("g", 5).await;
    let none = bench.add("g", 0).await;
    let one = bench.add("g", 1).await;
    let five_later = bench.add("g", 5).await;
    let none_later = bench.add("g", 0).await;
    assert_eq!(bench.claimed_ids("g").await, [none, none_later, one, five, five_later, hundred]);
}

pub(crate) async fn keeps_lanes_apart(bench: Bench) {
    let a = bench.add("a", 0).await;
    let b = bench.add("b", 0).await;
    assert_eq!(bench.claimed_ids("b").await, [b]);
    assert_eq!(bench.claimed_ids("a").await, [a]);
    assert!(bench.claim("never seen").await.is_none());
}

pub(crate) async fn enqueue_and_claim_takes_the_head_not_the_newcomer(bench: Bench) {
    let older = bench.add("g", 0).await;
    let task = bench.task("g", 0);
    let newer = task.spec.id;
    let (enqueued, claim) = bench.queue.enqueue_and_claim(task, bench.request()).await.unwrap();
    assert_eq!((enqueued, claim.unwrap().spec.id), (Enqueued::New, older));
    let alone = bench.task("other", 7);
    let id = alone.spec.id;
    let (_, claim) = bench.queue.enqueue_and_claim(alone, bench.request()).await.unwrap();
    let claim = claim.unwrap();
    assert_eq!((claim.spec.id, claim.priority), (id, Priority::new(7)));
    assert_eq!(bench.claimed_ids("g").await, [newer]);
}

pub(crate) async fn enqueue_and_claim_skips_and_respects_delay_and_pause(bench: Bench) {
    let aside = bench.add("g", 0).await;
    let mut request = bench.request();
    request.skip.push(aside);
    let task = bench.task("g", 9);
    let id = task.spec.id;
    let (_, claim) = bench.queue.enqueue_and_claim(task, request).await.unwrap();
    assert_eq!(claim.unwrap().spec.id, id);

    let mut late = bench.task("later", 0);
    late.run_at = Some(bench.clock.now().after(Duration::from_mins(1)));
    let (_, claim) = bench.queue.enqueue_and_claim(late, bench.request()).await.unwrap();
    assert!(claim.is_none());

    bench.queue.set_paused(&lane("p"), true).await.unwrap();
    let (_, claim) = bench.queue.enqueue_and_claim(bench.task("p", 0), bench.request()).await.unwrap();
    assert!(claim.is_none());
}

pub(crate) async fn an_enqueue_repeated_makes_no_second_task(bench: Bench) {
    let task = bench.task("g", 0);
    assert_eq!(bench.queue.enqueue(task.clone()).await, Ok(Enqueued::New));
    assert_eq!(bench.queue.enqueue(task.clone()).await, Ok(Enqueued::Known));
    let answers = bench.queue.enqueue_many(vec![task.clone(), bench.task("g", 0)]).await;
    assert_eq!(answers, [Ok(Enqueued::Known), Ok(Enqueued::New)]);
    assert_eq!(bench.claimed_ids("g").await.len(), 2);
}

pub(crate) async fn a_claim_repeated_gives_the_same_task(bench: Bench) {
    bench.add("g", 0).await;
    bench.add("g", 0).await;
    let mut request = bench.request();
    let first = bench.queue.claim(&lane("g"), request.clone()).await.unwrap().unwrap();
    request.repeat = true;
    let again = bench.queue.claim(&lane("g"), request).await.unwrap().unwrap();
    assert_eq!(first.lease, again.lease);
    assert_eq!(bench.claimed_ids("g").await.len(), 1);
}

pub(crate) async fn a_settle_repeated_answers_as_the_first_did(bench: Bench) {
    bench.add("g", 0).await;
    let claim = bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.settle(&claim.lease, complete()).await, Ok(Settled::Ended));
    assert_eq!(bench.queue.settle(&claim.lease, complete()).await, Ok(Settled::Ended));
    let record = bench.queue.get(claim.spec.id).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts.len()), (TaskState::Completed, 1));

    bench.add("r", 0).await;
    let claim = bench.claim("r").await.unwrap();
    assert_eq!(bench.queue.settle(&claim.lease, retry(None)).await, Ok(Settled::Waits(Waiting::Now)));
    assert_eq!(bench.queue.settle(&claim.lease, retry(None)).await, Ok(Settled::Waits(Waiting::Now)));
    assert_eq!(bench.queue.get(claim.spec.id).await.unwrap().unwrap().attempts.len(), 1);
}

pub(crate) async fn a_stale_token_changes_nothing(bench: Bench) {
    let id = bench.add("g", 0).await;
    let first = bench.claim("g").await.unwrap();
    bench.queue.release(&first.lease, false).await.unwrap();
    let second = bench.claim("g").await.unwrap();
    assert!(second.lease.token > first.lease.token);
    assert_eq!(bench.queue.settle(&first.lease, complete()).await, Err(QueueError::LeaseLost));
    assert_eq!(bench.queue.release(&first.lease, false).await, Err(QueueError::LeaseLost));
    assert_eq!(
        bench.queue.renew(&[first.lease, second.lease.clone()], LEASE).await,
        [Err(QueueError::LeaseLost), Ok(())]
    );
    assert_eq!(bench.state(id).await, TaskState::Running);
    assert_eq!(bench.queue.settle(&second.lease, complete()).await, Ok(Settled::Ended));
}

pub(crate) async fn a_lease_that_runs_out_returns_the_task_and_one_renewed_does_not(bench: Bench) {
    let lost = bench.add("lost", 0).await;
    let kept = bench.add("kept", 0).await;
    let late = bench.claim("lost").await.unwrap();
    let held = bench.claim("kept").await.unwrap();
    for _ in 0..6 {
        tokio::time::sleep(LEASE / 3).await;
        assert_eq!(bench.queue.renew(std::slice::from_ref(&held.lease), LEASE).await, [Ok(())]);
    }
    bench.reaches(lost, TaskState::Queued).await;
    assert_eq!(bench.state(kept).await, TaskState::Running);
    assert_eq!(bench.queue.get(lost).await.unwrap().unwrap().interruptions, 1);
    let again = bench.claim("lost").await.unwrap();
    assert_eq!(bench.queue.settle(&late.lease, complete()).await, Err(QueueError::LeaseLost));
    assert_eq!(bench.queue.settle(&again.lease, complete()).await, Ok(Settled::Ended));
}

pub(crate) async fn settle_and_claim_is_one_step(bench: Bench) {
    bench.add("g", 0).await;
    let next = bench.add("g", 0).await;
    let claim = bench.claim("g").await.unwrap();
    let (settled, claimed) = bench.queue.settle_and_claim(&claim.lease, complete(), bench.request()).await;
    assert_eq!(settled, Ok(Settled::Ended));
    let claimed = claimed.unwrap().unwrap();
    assert_eq!(claimed.spec.id, next);
    let mut request = bench.request();
    let third = bench.add("g", 0).await;
    request.skip.push(third);
    let (_, claimed) = bench.queue.settle_and_claim(&claimed.lease, complete(), request).await;
    assert!(claimed.unwrap().is_none(), "the only task left is to be skipped");
}

pub(crate) async fn a_claim_given_back_keeps_its_place(bench: Bench) {
    let first = bench.add("g", 5).await;
    let second = bench.add("g", 5).await;
    let claim = bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.release(&claim.lease, false).await, Ok(Released::Waits));
    assert_eq!(bench.queue.get(first).await.unwrap().unwrap().interruptions, 0);
    assert_eq!(bench.claimed_ids("g").await, [first, second]);
}

pub(crate) async fn a_retry_keeps_its_place_and_its_history(bench: Bench) {
    let first = bench.add("g", 5).await;
    let second = bench.add("g", 5).await;
    let claim = bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.settle(&claim.lease, retry(None)).await, Ok(Settled::Waits(Waiting::Now)));
    let again = bench.claim("g").await.unwrap();
    assert_eq!((again.spec.id, again.attempts, again.last_attempt), (first, 1, Some(attempt(1))));
    assert_eq!(bench.claimed_ids("g").await, [second]);
}

pub(crate) async fn a_retry_later_waits_for_its_moment(bench: Bench) {
    let id = bench.add("g", 0).await;
    let behind = bench.add("g", 0).await;
    let claim = bench.claim("g").await.unwrap();
    let mut events = bench.queue.events();
    let at = bench.clock.now().after(Duration::from_secs(2));
    assert_eq!(bench.queue.settle(&claim.lease, retry(Some(at))).await, Ok(Settled::Waits(Waiting::Later)));
    let record = bench.queue.get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.run_at), (TaskState::Delayed, Some(at)));
    assert_eq!(bench.queue.claim_task(id, bench.request()).await.unwrap().map(|claim| claim.spec.id), None);
    bench.reaches(id, TaskState::Queued).await;
    assert!(bench.clock.now() >= at);
    assert_eq!(events.recv().await, Ok(QueueEvent::Claimable(lane("g"))));
    assert_eq!(bench.claimed_ids("g").await, [id, behind], "it keeps its place among equals");
}

pub(crate) async fn a_delayed_task_can_be_promoted(bench: Bench) {
    let mut task = bench.task("g", 0);
    let id = task.spec.id;
    task.run_at = Some(bench.clock.now().after(Duration::from_mins(10)));
    bench.queue.enqueue(task).await.unwrap();
    assert!(bench.claim("g").await.is_none());
    assert_eq!(bench.queue.promote(id).await, Ok(true));
    assert_eq!(bench.queue.promote(id).await, Ok(false));
    assert_eq!(bench.claimed_ids("g").await, [id]);
}

pub(crate) async fn a_claim_by_id_takes_that_task_only_while_it_is_queued(bench: Bench) {
    let first = bench.add("g", 0).await;
    let second = bench.add("g", 0).await;
    let claim = bench.queue.claim_task(second, bench.request()).await.unwrap().unwrap();
    assert_eq!(claim.spec.id, second);
    assert!(bench.queue.claim_task(second, bench.request()).await.unwrap().is_none());
    bench.queue.set_paused(&lane("g"), true).await.unwrap();
    assert!(bench.queue.claim_task(first, bench.request()).await.unwrap().is_none());
}

pub(crate) async fn interruptions_are_counted_and_limited(bench: Bench) {
    let id = bench.add("g", 0).await;
    for _ in 0..2 {
        let claim = bench.claim("g").await.unwrap();
        assert_eq!(bench.queue.release(&claim.lease, true).await, Ok(Released::Waits));
    }
    let claim = bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.release(&claim.lease, true).await, Ok(Released::Failed));
    let record = bench.queue.get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.code, record.interruptions), (TaskState::Failed, Some(ErrorCode::Interrupted), 3));
}

pub(crate) async fn a_task_that_may_run_once_fails_at_its_first_interruption(bench: Bench) {
    let task = bench.task_with("g", 0, |spec| spec.options.attempts = Some(1));
    let id = task.spec.id;
    bench.queue.enqueue(task).await.unwrap();
    let claim = bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.release_many(vec![claim.lease], true).await, [Ok(Released::Failed)]);
    assert_eq!(bench.state(id).await, TaskState::Failed);
}

pub(crate) async fn only_what_waits_can_be_cancelled(bench: Bench) {
    let running = bench.add("g", 0).await;
    let waiting = bench.add("g", 0).await;
    let claim = bench.claim("g").await.unwrap();
    assert_eq!(bench.queue.cancel(running, cancel()).await, Ok(Cancelled::Running));
    assert_eq!(bench.queue.cancel(waiting, cancel()).await, Ok(Cancelled::Done));
    assert_eq!(bench.queue.cancel(waiting, cancel()).await, Ok(Cancelled::Ended));
    assert_eq!(bench.state(waiting).await, TaskState::Cancelled);
    assert!(bench.claim("g").await.is_none());
    bench.queue.settle(&claim.lease, complete()).await.unwrap();
    assert_eq!(bench.queue.cancel(running, cancel()).await, Ok(Cancelled::Ended));
    assert_eq!(bench.queue.cancel(bench.task("g", 0).spec.id, cancel()).await, Ok(Cancelled::Unknown));
}

pub(crate) async fn a_changed_priority_counts_from_then_on(bench: Bench) {
    let first = bench.add("g", 5).await;
    let second = bench.add("g", 5).await;
    assert_eq!(bench.queue.reprioritize(second, Priority::new(1)).await, Ok(true));
    assert_eq!(bench.claimed_ids("g").await, [second, first]);
    assert_eq!(bench.queue.reprioritize(first, None).await, Ok(false), "it runs");
}

pub(crate) async fn a_paused_lane_gives_nothing_and_resumes_in_order(bench: Bench) {
    let first = bench.add("g", 0).await;
    bench.queue.set_paused(&lane("g"), true).await.unwrap();
    let second = bench.add("g", 0).await;
    assert!(bench.claim("g").await.is_none());
    assert!(bench.queue.lane_counts(&lane("g")).await.unwrap().paused);
    let mut events = bench.queue.events();
    bench.queue.set_paused(&lane("g"), false).await.unwrap();
    assert_eq!(events.recv().await, Ok(QueueEvent::Claimable(lane("g"))));
    assert_eq!(bench.claimed_ids("g").await, [first, second]);
}

pub(crate) fn memory(limits: QueueLimits, clock: crate::task::Clock) -> Arc<dyn TaskQueue> {
    Arc::new(MemoryQueue::new(limits, clock))
}

/// Runs the suite on a backend: `run` says how ([`once`] or [`under_faults`]), `make` builds the backend from limits and a clock.
macro_rules! conformance {
    ($run:path, $make:expr) => {
        conformance! { @with $run, $make, suite::limits(),
            orders_by_priority_then_by_arrival
            keeps_lanes_apart
            enqueue_and_claim_takes_the_head_not_the_newcomer
            enqueue_and_claim_skips_and_respects_delay_and_pause
            an_enqueue_repeated_makes_no_second_task
            a_claim_repeated_gives_the_same_task
            a_settle_repeated_answers_as_the_first_did
            a_stale_token_changes_nothing
            a_lease_that_runs_out_returns_the_task_and_one_renewed_does_not
            settle_and_claim_is_one_step
            a_claim_given_back_keeps_its_place
            a_retry_keeps_its_place_and_its_history
            a_retry_later_waits_for_its_moment
            a_delayed_task_can_be_promoted
            a_claim_by_id_takes_that_task_only_while_it_is_queued
            interruptions_are_counted_and_limited
            a_task_that_may_run_once_fails_at_its_first_interruption
            only_what_waits_can_be_cancelled
            a_changed_priority_counts_from_then_on
            a_paused_lane_gives_nothing_and_resumes_in_order
            counts_follow_every_step
            the_oldest_queued_task_is_known_whatever_its_priority
            a_task_that_waited_too_long_expires_and_is_told
            lists_newest_first_page_by_page
            purges_what_has_ended_and_nothing_else
            a_requeued_task_waits_as_if_it_had_not_ended_but_keeps_its_history
            only_what_has_ended_is_requeued
            only_what_has_ended_is_forgotten_and_nothing_beside_it
            a_requeued_task_goes_behind_its_equals
            a_requeued_sync_task_is_async_and_has_time_anew
            interruptions_begin_at_none_for_a_requeued_task
            a_settle_repeated_after_a_requeue_answers_as_the_first_did
            a_position_says_how_many_go_before
            a_promotion_is_told
            each_filter_leaves_out_what_does_not_match
            a_key_belongs_to_one_task
            a_duplicate_is_told_by_every_way_in
            of_many_at_once_one_gets_the_key
            a_key_is_free_again_after_a_purge
            a_webhook_task_that_fails_in_any_way_owes_a_notice
            nothing_else_owes_a_notice
            a_notice_that_is_done_is_owed_no_more
            notices_come_page_by_page_in_order_of_endings
            a_task_that_runs_again_owes_nothing_until_it_fails_again
            what_is_purged_owes_nothing
        }
        conformance! { @with $run, $make, suite::QueueLimits { max_waiting: 20_000, ..suite::limits() }, a_position_is_counted_only_so_far }
        conformance! { @with $run, $make, suite::QueueLimits { max_waiting: 2, ..suite::limits() }, a_full_queue_has_no_room_for_a_requeued_task }
        conformance! { @with $run, $make, suite::QueueLimits { retention_count: 2, ..suite::limits() }, retention_counts_from_the_last_ending }
        conformance! { @with $run, $make, suite::QueueLimits { max_waiting: 2, ..suite::limits() }, a_full_queue_refuses_until_there_is_room a_full_queue_knows_its_keys_and_gives_none_to_what_it_refuses }
        conformance! { @with $run, $make, suite::QueueLimits { retention_count: 2, ..suite::limits() }, ended_tasks_leave_by_count what_was_purged_takes_nobodys_place retention_passes_over_what_owes_a_notice }
        conformance! { @with $run, $make, suite::QueueLimits { retention: std::time::Duration::from_secs(2), ..suite::limits() }, ended_tasks_leave_by_age a_key_leaves_with_its_task }
    };
    (@with $run:path, $make:expr, $limits:expr, $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $run($make, &$limits, suite::$name);
            }
        )*
    };
}

mod memory_backend {
    use crate::queue::conformance as suite;

    conformance!(suite::once, suite::memory);

    /// In memory nothing happens between two awaits: only with several threads two requests come at the same moment.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_threads_one_gets_the_key() {
        suite::of_many_at_once_one_gets_the_key(suite::Bench::new(suite::memory, suite::limits())).await;
    }
}

mod memory_backend_under_faults {
    use crate::queue::conformance as suite;

    conformance!(suite::under_faults, suite::memory);
}

mod embedded_backend {
    use crate::queue::conformance as suite;

    conformance!(suite::once, suite::embedded);

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_threads_one_gets_the_key() {
        suite::of_many_at_once_one_gets_the_key(suite::Bench::new(suite::embedded, suite::limits())).await;
    }
}

mod embedded_backend_under_faults {
    use crate::queue::conformance as suite;

    conformance!(suite::under_faults, suite::embedded);
}

mod redis_backend {
    use crate::queue::conformance as suite;

    conformance!(suite::once, suite::redis);

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_threads_one_gets_the_key() {
        suite::of_many_at_once_one_gets_the_key(suite::Bench::new(suite::redis, suite::limits())).await;
    }
}

mod redis_backend_without_functions {
    use crate::queue::conformance as suite;

    conformance!(suite::once, suite::redis_without_functions);
}

mod redis_backend_under_faults {
    use crate::queue::conformance as suite;

    conformance!(suite::under_faults, suite::redis);
}
