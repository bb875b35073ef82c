//! Policies in use: what they are told and asked, and what becomes of their answers.

use std::sync::Arc;
use std::time::Duration;

use super::guest::{FIRST, Guest};
use super::{WAYS, Way, checked, decide, engine_in, engine_with, lane, until};
use crate::config::FailureRule;
use crate::policy::{Admission, Directory, Failure, Outcome, PolicyEngine, SubmissionView, WorkerEntry, native};
use crate::task::{AttemptOutcome, Mode, Priority};

/// Traps for function 666, else names the row of the global `$row`.
const REMEMBERED: &str = "(if (i32.eq (i32.load offset=4 (local.get $args)) (i32.const 666)) (then (unreachable)))
                          (call $rows (global.get $row) (i32.const 1))";
const ROW: &str = "(global $row (mut i32) (i32.const 0))";

/// Submissions of 666 bytes are refused, those of 667 bytes get a priority that there is not, of 668 bytes a trap; all others get 7.
const ADMISSION: &str = "(local $bytes i64) (local $at i32)
    (local.set $bytes (i64.load offset=48 (local.get $args)))
    (local.set $at (call $alloc (i32.const 20)))
    (if (i64.eq (local.get $bytes) (i64.const 668)) (then (unreachable)))
    (i32.store offset=4 (local.get $at)
      (select (i32.const 3000000) (i32.const 7) (i64.eq (local.get $bytes) (i64.const 667))))
    (if (i64.eq (local.get $bytes) (i64.const 666)) (then
      (i32.store8 (local.get $at) (i32.const 1))
      (i32.store offset=4 (local.get $at) (i32.load offset=84 (local.get $args)))
      (i32.store offset=8 (local.get $at) (i32.load offset=88 (local.get $args)))
      (i32.store offset=12 (local.get $at) (i32.const 1))
      (i32.store offset=16 (local.get $at) (i32.const 1500))))
    (local.get $at)";

pub(super) fn outcome(worker: u32) -> Outcome {
    Outcome {
        worker,
        lane: 1,
        function: 1,
        attempt: 1,
        key_hash: 0,
        tenant_hash: 0,
        latency_ms: 5.0,
        ending: AttemptOutcome::Completed,
        status: Some(200),
        ended_ms: 1,
    }
}

pub(super) fn directory(workers: u32) -> Directory {
    let worker = |id| WorkerEntry { id, url: Arc::from("http://w"), tags: vec![("zone".to_owned(), "a".to_owned())] };
    Directory { workers: (0..workers).map(worker).collect(), ..Directory::default() }
}

pub(super) async fn submit(engine: &PolicyEngine, body_bytes: u64) -> Result<Admission, Failure> {
    let lane = lane();
    let view = SubmissionView {
        lane: &lane,
        function: "f",
        priority: Priority::new(3),
        mode: Mode::Sync,
        body_bytes,
        key: None,
        tenant: Some("acme"),
        now_ms: 0,
        seed: 0,
    };
    engine.prioritize(&view).await.map_err(|(failure, _)| failure)
}

#[tokio::test]
async fn outcomes_reach_the_one_instance_of_a_policy_that_hears_of_them() {
    // The worker of the last outcome told.
    let guest = Guest::ranker(REMEMBERED).with(ROW).and_feedback(
        "(global.set $row (i32.load (i32.add (local.get $outcomes)
           (i32.mul (i32.sub (local.get $count) (i32.const 1)) (i32.const 48)))))",
    );
    let engine = engine_with(checked(&guest.module()));
    assert_eq!(decide(&engine, 1).await.rows, [0], "nothing of the trial is left");
    for worker in [1, 0, 2] {
        engine.observe(&lane(), || outcome(worker));
    }
    while decide(&engine, 1).await.rows != [2] {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    engine.close().await;
}

#[tokio::test]
async fn what_there_is_is_told_at_every_change_and_again_after_a_failure() {
    for way in WAYS {
        let guest = Guest::ranker(REMEMBERED).with(ROW);
        let guest = guest.and_setup(way == Way::Stateful, "(call $fine)", "(global.set $row (local.get $count))");
        let engine = engine_in(way, checked(&guest.module())).await;
        for workers in [2, 1] {
            engine.tell(directory(workers));
            // Instances are told one by one.
            for _ in 0..20 {
                while decide(&engine, 1).await.rows != [workers] {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
        assert_eq!(decide(&engine, 666).await.fallback.as_deref(), Some("trap"));
        until("there is a new instance", || engine.status().circuit == crate::policy::Circuit::Closed).await;
        assert_eq!(decide(&engine, 1).await.rows, [1]);
        engine.close().await;
    }
}

#[tokio::test]
async fn what_a_policy_does_not_export_stays_native() {
    let engine = engine_with(checked(&Guest::default().and_priority(ADMISSION).module()));
    let ranking = decide(&engine, 1).await;
    assert_eq!((&*ranking.policy, ranking.fallback), ("native:least-loaded", None));
    assert_eq!(submit(&engine, 1).await, Ok(Admission::Accepted(Priority::new(7))));

    engine.activate(checked(&Guest::ranker(FIRST).module())).unwrap();
    assert!(!engine.decides_admission(&lane()));
    assert_eq!(submit(&engine, 1).await, Ok(Admission::Accepted(Priority::new(3))));
    engine.close().await;
}

#[tokio::test]
async fn a_submission_is_refused_with_the_reason_that_the_policy_gives() {
    let engine = engine_with(checked(&Guest::ranker(FIRST).and_priority(ADMISSION).module()));
    // It gives the tenant.
    let refusal = Admission::Rejected { reason: "acme".to_owned(), retry_after: Some(Duration::from_millis(1500)) };
    assert_eq!(submit(&engine, 666).await, Ok(refusal));
    engine.close().await;
}

#[tokio::test]
async fn while_it_fails_the_clients_priority_stands_or_submissions_are_refused() {
    for (rule, expected) in
        [(FailureRule::Native, [None, None]), (FailureRule::Reject, [Some(Failure::Invalid), Some(Failure::Trap)])]
    {
        let engine = PolicyEngine::with_failures(native("least-loaded").unwrap(), rule);
        engine.activate(checked(&Guest::ranker(FIRST).and_priority(ADMISSION).module())).unwrap();
        for (bytes, expected) in [667, 668].into_iter().zip(expected) {
            let answer = expected.map_or(Ok(Admission::Accepted(Priority::new(3))), Err);
            assert_eq!(submit(&engine, bytes).await, answer);
        }
        assert_eq!(engine.status().fallbacks, [(Failure::Trap, 1), (Failure::Invalid, 1)]);
        engine.close().await;
    }
}

#[tokio::test]
async fn a_policy_that_only_ranks_has_submissions_refused_while_it_is_left_alone() {
    let engine = PolicyEngine::with_failures(native("least-loaded").unwrap(), FailureRule::Reject);
    engine.activate(checked(&Guest::ranker(REMEMBERED).with(ROW).module())).unwrap();
    assert!(submit(&engine, 1).await.is_ok());
    for _ in 0..5 {
        decide(&engine, 666).await;
    }
    assert_eq!(submit(&engine, 1).await, Err(Failure::CircuitOpen));
    engine.close().await;
}

#[tokio::test]
async fn decisions_go_on_while_policies_are_swapped() {
    let engine = engine_with(checked(&Guest::ranker(FIRST).module()));
    let asking = {
        let engine = engine.clone();
        tokio::spawn(async move {
            for _ in 0..500 {
                assert_eq!(decide(&engine, 1).await.fallback, None);
                tokio::task::yield_now().await;
            }
        })
    };
    for swap in 0..10 {
        // With a thread of its own, and without.
        let guest = Guest::least_loaded().and_setup(swap % 2 == 0, "(call $fine)", "");
        engine.activate(checked(&guest.module())).unwrap();
        tokio::task::yield_now().await;
    }
    asking.await.unwrap();
    engine.close().await;
}
