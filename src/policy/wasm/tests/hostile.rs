//! Guests that mean no good: every decision is made, the reason is counted, and a good file puts an end to it.

use std::sync::Arc;
use std::time::Duration;

use super::evil::*;
use super::guest::{FIRST, Guest};
use super::{LIMITS, WAYS, Way, decide, engine_in, engine_with, until};
use crate::policy::assigned::Assigned;
use crate::policy::table::Table;
use crate::policy::wasm::{LoadError, Loader, PolicyLimits, Setup};
use crate::policy::{CheckedPolicy, Failure, PolicyEngine};

/// The function that makes guests misbehave.
const EVIL: u32 = 666;
/// Deadlines of guests that are expected to miss them.
const SHORT: PolicyLimits =
    PolicyLimits { deadline: Duration::from_millis(10), load_deadline: Duration::from_millis(100), memory: 8 << 20 };

const OUT_OF_MEMORY: &str = "(call $list (i32.const 0) (i32.const 0x3fffffff))";
const TOO_MANY: &str = "(call $rows (i32.const 0) (i32.const 4))";

fn load(guest: &[u8], limits: PolicyLimits) -> Result<CheckedPolicy, LoadError> {
    Loader::new(limits, None).unwrap().load("wasm:hostile", guest, Setup::default())
}

/// Misbehaves for the evil function, and else names row 0.
fn sometimes(evil: &str) -> Guest {
    Guest::ranker(&format!(
        "(if (result i32) (i32.eq (i32.load offset=4 (local.get $args)) (i32.const {EVIL})) (then {evil}) (else {FIRST}))"
    ))
}

fn failures(engine: &PolicyEngine, failure: Failure) -> u64 {
    engine.status().failures.iter().find(|(reason, _)| *reason == failure).map_or(0, |(_, count)| *count)
}

/// An evil call falls back for that reason, in whichever way it is made, and a good file puts an end to it.
async fn falls_back(evil: &str, limits: PolicyLimits, reason: Failure) {
    for way in WAYS {
        let guest = sometimes(evil).and_setup(way == Way::Stateful, "(call $fine)", "");
        let engine = engine_in(way, load(&guest.module(), limits).unwrap()).await;
        let ranking = decide(&engine, EVIL).await;
        assert_eq!(ranking.fallback.as_deref(), Some(reason.word()), "{evil} {way:?}");
        assert_eq!(&*ranking.policy, "native:least-loaded");
        until("the failure is counted", || failures(&engine, reason) == 1).await;
        assert_eq!(engine.status().fallbacks, [(reason, 1)]);

        engine.activate(super::checked(&Guest::least_loaded().module())).unwrap();
        let ranking = decide(&engine, EVIL).await;
        assert_eq!((ranking.fallback, &*ranking.policy), (None, "wasm:test"), "a good file puts an end to it");
        engine.close().await;
    }
}

/// What is wrong with a guest, as its loader says.
fn refused(guest: &[u8], limits: PolicyLimits) -> String {
    load(guest, limits).unwrap_err().to_string()
}

#[tokio::test]
async fn an_endless_loop_is_interrupted() {
    falls_back(ENDLESS, SHORT, Failure::Deadline).await;
    let text = refused(&Guest::ranker(ENDLESS).module(), SHORT);
    assert!(text.starts_with("it failed in rank (deadline)"), "{text}");
}

#[tokio::test]
async fn endless_recursion_traps() {
    falls_back(RECURSION, LIMITS, Failure::Trap).await;
    assert!(refused(&Guest::ranker(RECURSION).module(), LIMITS).contains("call stack exhausted"));
}

#[tokio::test]
async fn a_memory_hog_is_stopped_at_its_limit() {
    let patient = PolicyLimits { memory: 8 << 20, ..LIMITS };
    falls_back(HOG, patient, Failure::Memory).await;
    let text = refused(&Guest::ranker(HOG).module(), patient);
    assert!(text.contains("(memory)") && text.contains("8388608 bytes of memory"), "{text}");
}

#[tokio::test]
async fn a_policy_that_is_born_too_large_is_refused() {
    let text = refused(&Guest::ranker(FIRST).module(), PolicyLimits { memory: 1 << 20, ..LIMITS });
    assert!(text.contains("its start (memory)"), "{text}");
}

#[tokio::test]
async fn a_huge_answer_is_not_read() {
    falls_back(HUGE, LIMITS, Failure::Invalid).await;
    falls_back(OUT_OF_MEMORY, LIMITS, Failure::Invalid).await;
}

#[tokio::test]
async fn rows_that_do_not_exist_or_come_twice_make_an_answer_invalid() {
    for evil in [OUT_OF_RANGE, TOO_MANY, TWICE] {
        falls_back(evil, LIMITS, Failure::Invalid).await;
    }
}

#[tokio::test]
async fn a_trap_on_every_third_call_costs_that_call_alone() {
    let guest = Guest::ranker(&format!(
        "(if (i32.eq (i32.load offset=4 (local.get $args)) (i32.const {EVIL})) (then
           (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
           (if (i32.eq (global.get $calls) (i32.const 3)) (then (unreachable)))))
         {FIRST}"
    ));
    let guest = guest.and_setup(true, "(call $fine)", "").with("(global $calls (mut i32) (i32.const 0))");
    let engine = engine_with(load(&guest.module(), LIMITS).unwrap());
    for call in 1..=12 {
        let fallback = decide(&engine, EVIL).await.fallback;
        assert_eq!(fallback.as_deref(), (call % 3 == 0).then_some("trap"), "call {call}");
    }
    assert_eq!(failures(&engine, Failure::Trap), 4);
    engine.close().await;
}

#[tokio::test]
async fn a_policy_that_keeps_failing_is_left_alone_for_a_while_and_then_tried_again() {
    let engine = engine_with(load(&sometimes("(unreachable)").module(), LIMITS).unwrap());
    for _ in 0..5 {
        assert_eq!(decide(&engine, EVIL).await.fallback.as_deref(), Some("trap"));
    }
    assert_eq!(decide(&engine, 1).await.fallback.as_deref(), Some("circuit_open"));
    assert!(matches!(engine.status().circuit, crate::policy::Circuit::Open { .. }));
    assert!(engine.status().last_failure.unwrap().starts_with("trap: "));
    while decide(&engine, 1).await.fallback.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(engine.status().circuit, crate::policy::Circuit::Closed);
    engine.close().await;
}

#[test]
fn a_policy_that_fails_in_its_setup_is_refused() {
    let trap = Guest::ranker(FIRST).and_setup(false, "(unreachable)", "");
    assert!(refused(&trap.module(), LIMITS).starts_with("it failed in configure (trap)"));
    let topology = Guest::ranker(FIRST).and_setup(false, "(call $fine)", "(unreachable)");
    assert!(refused(&topology.module(), LIMITS).starts_with("it failed in topology (trap)"));
    let refusal = Guest::ranker(FIRST).and_setup(
        false,
        "(local $at i32) (local.set $at (call $fine))
         (i32.store8 (local.get $at) (i32.const 1))
         (i32.store offset=4 (local.get $at) (local.get $json)) (i32.store offset=8 (local.get $at) (local.get $length))
         (local.get $at)",
        "",
    );
    assert_eq!(refused(&refusal.module(), LIMITS), "it refuses its configuration: {}");
}

#[tokio::test]
async fn a_flood_of_lines_is_dropped_and_does_no_harm() {
    let guest = Guest::ranker(&format!(
        "(local $line i32)
         (loop $next
           (call $log (i32.const 0) (i32.const 0) (i32.const 1000))
           (local.set $line (i32.add (local.get $line) (i32.const 1)))
           (br_if $next (i32.lt_u (local.get $line) (i32.const 500))))
         {FIRST}"
    ));
    let engine = engine_with(load(&guest.and_log().module(), LIMITS).unwrap());
    assert_eq!(decide(&engine, 1).await.fallback, None);
    assert!(engine.status().dropped_log_lines > 400, "{:?}", engine.status());
    engine.close().await;
}

#[test]
fn a_line_larger_than_what_one_call_may_hand_over_is_a_failure() {
    let guest = Guest::ranker(&format!("(call $log (i32.const 0) (i32.const 0) (i32.const 2000000)) {FIRST}"));
    assert!(refused(&guest.and_log().module(), LIMITS).starts_with("it failed in rank (invalid)"));
}

#[test]
fn an_import_that_is_not_ours_is_refused_by_its_name() {
    let guest = Guest::ranker(&format!("(drop (call $open)) {FIRST}"));
    let guest = guest.and_import(FOREIGN_NAME, FOREIGN_PACKAGE, FOREIGN_IMPORT);
    let text = refused(&guest.module(), LIMITS);
    assert!(text.contains("\"evil:net/sockets@1.0.0\"") && text.contains("andera:routing/log@1.0.0 alone"), "{text}");
}

#[tokio::test]
async fn wasi_may_be_imported_and_calling_it_is_a_failure_that_names_the_function() {
    let guest = sometimes(WASI).and_import(WASI_NAME, WASI_PACKAGE, WASI_IMPORT);
    let engine = engine_with(load(&guest.module(), LIMITS).unwrap());
    assert_eq!(decide(&engine, 1).await.fallback, None);
    assert_eq!(decide(&engine, EVIL).await.fallback.as_deref(), Some("trap"));
    let text = engine.status().last_failure.unwrap();
    assert!(text.contains("it called wasi:random/random@0.2.0#get-random-u64"), "{text}");
    engine.close().await;
}

#[test]
fn what_is_no_policy_is_refused_with_the_reason() {
    let other = r#"(component (instance $none) (export "andera:routing/ranking@2.0.0" (instance $none)))"#;
    let text = refused(&wat::parse_str(other).unwrap(), LIMITS);
    assert!(text.contains("in version 1.0.0; it exports andera:routing/ranking@2.0.0"), "{text}");
    let text = refused(&wat::parse_str("(component)").unwrap(), LIMITS);
    assert!(text.ends_with("it exports nothing"), "{text}");
    let empty = r#"(component (instance $none) (export "andera:routing/ranking@1.0.0" (instance $none)))"#;
    let text = refused(&wat::parse_str(empty).unwrap(), LIMITS);
    assert!(text.starts_with("its interfaces do not fit"), "{text}");
    let setup = Guest::default().and_setup(false, "(call $fine)", "").module();
    assert!(refused(&setup, LIMITS).contains("exports none of"));

    let text = refused(&wat::parse_str(r#"(module (import "env" "now" (func)))"#).unwrap(), LIMITS);
    assert!(text.starts_with("it is a core module that cannot be made a component"), "{text}");
    for file in [&b""[..], b"fn main() {}", b"(component)"] {
        assert_eq!(refused(file, LIMITS), "it is no WebAssembly file");
    }
    let good = Guest::least_loaded().component();
    assert!(load(&good, LIMITS).is_ok());
    assert!(refused(&good[..good.len() - 30], LIMITS).starts_with("it does not compile"));
    assert!(load(&Guest::least_loaded().module()[..100], LIMITS).is_err());
}

#[test]
fn a_start_that_takes_too_long_is_refused() {
    let slow = Guest::ranker(FIRST).with(SLOW_START);
    let text = refused(&slow.module(), SHORT);
    assert!(text.starts_with("it failed in its start (deadline)"), "{text}");
}

#[tokio::test]
async fn a_policy_that_could_not_be_loaded_is_told_of_at_every_decision() {
    let engine = PolicyEngine::new(crate::policy::native("round-robin").unwrap());
    let missing = Assigned::missing("wasm:broken", refused(b"text", LIMITS));
    engine.put_in_force(Table::new(Arc::new(missing)));
    let ranking = decide(&engine, 1).await;
    assert_eq!((ranking.fallback.as_deref(), &*ranking.policy), (Some("not_loaded"), "native:least-loaded"));
    assert_eq!(engine.status().load_error.as_deref(), Some("it is no WebAssembly file"));
    assert_eq!(&*engine.active_choice(), "wasm:broken");
}
