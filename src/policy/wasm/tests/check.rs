//! Hostile inputs.

use super::checked;
use super::guest::{FIRST, Guest};
use crate::policy::{CheckResult, hostile_checks};

fn check(guest: &Guest) -> Vec<CheckResult> {
    let mut told = 0;
    let results = hostile_checks(&checked(&guest.module()), &mut |_| told += 1);
    assert_eq!(told, results.len());
    results
}

/// The names of the checks that failed, and why.
fn failed(guest: &Guest) -> Vec<(String, String)> {
    check(guest).into_iter().filter_map(|check| Some((check.name, check.reason?))).collect()
}

/// Traps if that holds, else names row 0.
fn traps_if(condition: &str) -> Guest {
    Guest::ranker(&format!("(if {condition} (then (unreachable))) {FIRST}"))
}

#[test]
fn a_sound_policy_passes_every_check() {
    let guest = Guest::least_loaded().and_priority("(call $alloc (i32.const 20))").and_feedback("").and_setup(
        false,
        "(call $fine)",
        "",
    );
    let results = check(&guest);
    assert!(results.iter().all(|check| check.ok), "{results:#?}");
    for kind in ["topology: ", "rank: ", "prioritize: ", "observe: ", "10000 calls in a row"] {
        assert!(results.iter().any(|check| check.name.starts_with(kind)), "{kind} in {results:#?}");
    }
    let last = results.last().unwrap().note.clone().unwrap();
    assert!(last.contains("after 10000 calls") && !last.contains("grows"), "{last}");
}

#[test]
fn a_policy_that_cannot_take_many_candidates_is_found_out() {
    let failed = failed(&traps_if("(i32.gt_u (call $candidates (local.get $args)) (i32.const 64))"));
    let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..2], ["rank: 1000 candidates", "rank: 10000 candidates"], "{names:?}");
    assert!(names[2..].iter().all(|name| name.starts_with("rank: 1000 candidates, signals")), "{names:?}");
    assert!(failed[0].1.starts_with("trap: "), "{failed:?}");
}

#[test]
fn a_policy_that_cannot_take_odd_signals_is_found_out() {
    // The CPU load of the first candidate is not itself.
    let cpu = "(f32.load (i32.load offset=120 (local.get $args)))";
    let names: Vec<String> =
        failed(&traps_if(&format!("(f32.ne {cpu} {cpu})"))).into_iter().map(|(name, _)| name).collect();
    let expected = ["1 candidate", "8 candidates", "1000 candidates"];
    assert_eq!(names, expected.map(|size| format!("rank: {size}, signals NaN")));

    let tried = "(i32.eq (i32.load offset=72 (local.get $args)) (i32.const -1))";
    let names: Vec<String> = failed(&traps_if(tried)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["rank: the last candidate, all others tried", "rank: everything about the task at its largest, ids unknown"]
    );
}

#[test]
fn a_policy_that_cannot_take_an_empty_directory_or_many_outcomes_is_found_out() {
    let guest = Guest::least_loaded()
        .and_setup(false, "(call $fine)", "(if (i32.gt_u (local.get $count) (i32.const 9999)) (then (unreachable)))")
        .and_feedback("(if (i32.gt_u (local.get $count) (i32.const 255)) (then (unreachable)))");
    let names: Vec<String> = failed(&guest).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["topology: 10,000 workers", "observe: 256 outcomes of 256 workers", "observe: 256 outcomes of one worker"]
    );
}

#[test]
fn memory_that_keeps_growing_is_told() {
    // A page every 256 calls.
    let guest = Guest::ranker(&format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.eqz (i32.and (global.get $calls) (i32.const 255))) (then (drop (memory.grow (i32.const 1)))))
         {FIRST}"
    ))
    .with("(global $calls (mut i32) (i32.const 0))");
    let results = check(&guest);
    let last = results.last().unwrap();
    assert!(last.ok && last.note.as_ref().unwrap().ends_with("it still grows"), "{last:?}");
}
