//! Recorded by an engine, replayed into the same policy and into others.

use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::engine::{directory, outcome, submit};
use super::guest::{FIRST, Guest};
use super::{LIMITS, WAYS, Way, decide, engine_in, lane};
use crate::policy::{Failure, Loader, PolicyLimits, Recorder, Replay, ReplayError, ReplayReport, Setup};

/// A row that depends on everything it was ever asked and told; traps for function 666, names a row that there is not for 667.
const HISTORY: &str = "(if (i32.eq (i32.load offset=4 (local.get $args)) (i32.const 666)) (then (unreachable)))
    (if (i32.eq (i32.load offset=4 (local.get $args)) (i32.const 667)) (then (return (call $rows (i32.const 9) (i32.const 1)))))
    (global.set $sum (i32.add (global.get $sum) (i32.const 1)))
    (call $rows (i32.rem_u (global.get $sum) (call $candidates (local.get $args))) (i32.const 1))";
const SUM: &str = "(global $sum (mut i32) (i32.const 0))";
/// The same without history.
const SEED: &str = "(if (i32.eq (i32.load offset=4 (local.get $args)) (i32.const 666)) (then (unreachable)))
    (if (i32.eq (i32.load offset=4 (local.get $args)) (i32.const 667)) (then (return (call $rows (i32.const 9) (i32.const 1)))))
    (call $rows (i32.rem_u (i32.load offset=4 (local.get $args)) (call $candidates (local.get $args))) (i32.const 1))";
/// Priority 7.
const SEVEN: &str = "(local $at i32) (local.set $at (call $alloc (i32.const 20)))
    (i32.store offset=4 (local.get $at) (i32.const 7)) (local.get $at)";

fn guest(way: Way) -> Guest {
    let topology = "(global.set $sum (i32.add (global.get $sum) (local.get $count)))";
    let stateful = way == Way::Stateful;
    let guest = Guest::ranker(if stateful { HISTORY } else { SEED }).with(SUM).and_priority(SEVEN);
    let guest = guest.and_setup(stateful, "(call $fine)", topology);
    if stateful {
        guest.and_feedback("(global.set $sum (i32.add (global.get $sum) (i32.load (local.get $outcomes))))")
    } else {
        guest
    }
}

/// A life of a policy, recorded: decisions, failures, changes of what there is, outcomes.
async fn record(way: Way, file: &Path) {
    let recorder = Recorder::start(file, 10 << 20).unwrap();
    let loader = Loader::new(LIMITS, None).unwrap().recording(Some(recorder.clone()));
    let engine = engine_in(way, loader.load("wasm:test", &guest(way).module(), Setup::default()).unwrap()).await;
    for round in 0..30 {
        decide(&engine, round).await;
        submit(&engine, u64::from(round)).await.unwrap();
        engine.observe(&lane(), || outcome(round));
        match round {
            10 => drop(decide(&engine, 666).await),
            11 => drop(decide(&engine, 667).await),
            12 => engine.tell(directory(5)),
            20 => engine.tell(directory(3)),
            _ => {}
        }
    }
    engine.close().await;
    drop(engine);
    recorder.close();
}

fn replay(file: &Path, guest: &Guest) -> Result<ReplayReport, ReplayError> {
    let loader = Loader::new(LIMITS, None).unwrap();
    let record = BufReader::new(std::fs::File::open(file).unwrap());
    Replay { shown: 5, ..Replay::default() }.run(&loader, "wasm:new", &guest.module(), record)
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_policy_that_was_recorded_decides_the_same_again() {
    let directory = tempfile::tempdir().unwrap();
    for way in WAYS {
        let file = directory.path().join(format!("{way:?}"));
        record(way, &file).await;
        let report = replay(&file, &guest(way)).unwrap();
        assert_eq!((report.different, report.not_compared, report.lost), (0, 0, 0), "{way:?}: {report:#?}");
        assert!(report.closed && !report.full && !report.cut_off);
        let calls = |name| report.by_call.get(name).map_or(0, |counts: &crate::policy::CallCounts| counts.same);
        assert_eq!((calls("rank"), calls("prioritize")), (32, 30), "{way:?}: {report:#?}");
        assert!(calls("configure") >= 2, "an instance was replaced: {report:#?}");
        assert_eq!(calls("observe") > 0, way == Way::Stateful);
        let failures: Vec<Value> = lines(&file)
            .iter()
            .filter(|line| line["call"]["answer"]["failed"].is_object())
            .map(|line| json!([line["call"]["answer"]["failed"]["reason"], line["call"]["answer"]["failed"]["usable"]]))
            .collect();
        assert_eq!(failures, [json!(["trap", false]), json!(["invalid", true])]);
    }
}

#[tokio::test]
async fn another_policy_is_told_apart_where_it_decides_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("record");
    record(Way::OwnThread, &file).await;
    let report = replay(&file, &Guest::ranker(FIRST).and_priority(SEVEN)).unwrap();
    // A third of the functions ask for row 0, and both failures are none any more.
    let rank = report.by_call["rank"];
    assert_eq!((rank.same, rank.different), (10, 22), "{report:#?}");
    assert_eq!((report.by_call["prioritize"].different, report.by_call["topology"].different), (0, 0));
    let first = &report.differences[0];
    assert_eq!((first.ask, first.candidates), ("rank", Some(3)));
    assert_eq!((&first.recorded, &first.now), (&json!({ "rows": [1] }), &json!({ "rows": [0] })));
    let line = &lines(&file)[usize::try_from(first.line).unwrap() - 1];
    assert_eq!(line["call"]["number"], first.call);
    assert_eq!(report.differences.len(), 5);
}

#[tokio::test]
async fn a_call_that_had_missed_its_deadline_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("record");
    let endless = "(if (i32.eq (i32.load offset=4 (local.get $args)) (i32.const 9)) (then (loop $on (br $on))))";
    let guest = Guest::ranker(&format!("{endless} {FIRST}"));
    let limits = PolicyLimits { deadline: Duration::from_millis(100), ..LIMITS };
    let recorder = Recorder::start(&file, 10 << 20).unwrap();
    let loader = Loader::new(limits, None).unwrap().recording(Some(recorder.clone()));
    let engine = engine_in(Way::OwnThread, loader.load("wasm:test", &guest.module(), Setup::default()).unwrap()).await;
    for function in [1, 9, 2] {
        decide(&engine, function).await;
    }
    assert_eq!(engine.status().failures, [(Failure::Deadline, 1)]);
    engine.close().await;
    drop(engine);
    recorder.close();
    let report = replay(&file, &guest).unwrap();
    assert_eq!((report.different, report.not_compared, report.by_call["rank"].same), (0, 1, 2), "{report:#?}");
}

#[tokio::test]
async fn what_is_no_record_is_refused_and_what_is_cut_off_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("record");
    record(Way::Stateful, &file).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let replayed = |text: &str| {
        std::fs::write(&file, text).unwrap();
        replay(&file, &guest(Way::Stateful))
    };
    let report = replayed(text.split_at(text.len() * 2 / 3).0).unwrap();
    assert_eq!((report.different, report.cut_off, report.closed), (0, true, false));

    assert!(matches!(replayed("{}\n"), Err(ReplayError::NoRecord)));
    assert!(matches!(replayed(""), Err(ReplayError::NoRecord)));
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    assert!(matches!(replayed(&newer), Err(ReplayError::NoRecord)));
    let header = text.lines().next().unwrap();
    assert!(matches!(replayed(&format!("{header}\n")), Err(ReplayError::Empty(_))));
    let broken = text.replacen("\"ask\"", "\"task\"", 1);
    let Err(ReplayError::Line { line, reason }) = replayed(&broken) else { panic!("it is refused") };
    assert_eq!((line, reason.contains("ask")), (3, true), "{reason}");
}

#[tokio::test]
async fn a_policy_that_needs_its_configuration_gets_the_recorded_one_or_the_one_given() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("record");
    // Ranks the row that its configuration is long.
    let guest = Guest::ranker("(call $rows (global.get $row) (i32.const 1))")
        .with("(global $row (mut i32) (i32.const 0))")
        .and_setup(false, "(global.set $row (i32.sub (local.get $length) (i32.const 2))) (call $fine)", "");
    let recorder = Recorder::start(&file, 10 << 20).unwrap();
    let loader = Loader::new(LIMITS, None).unwrap().recording(Some(recorder.clone()));
    // A trial has a single candidate at first: row 0 there.
    let setup = Setup { config: "{}".to_owned(), ..Setup::default() };
    let engine = engine_in(Way::OwnThread, loader.load("wasm:test", &guest.module(), setup).unwrap()).await;
    decide(&engine, 1).await;
    engine.close().await;
    drop(engine);
    recorder.close();
    let replayed = |config| {
        let record = BufReader::new(std::fs::File::open(&file).unwrap());
        let replay = Replay { config, shown: 1, ..Replay::default() };
        replay.run(&Loader::new(LIMITS, None).unwrap(), "wasm:new", &guest.module(), record).unwrap()
    };
    assert_eq!(replayed(None).different, 0);
    assert_eq!(replayed(Some("{ }")).differences[0].now, json!({ "rows": [1] }));

    let record = BufReader::new(std::fs::File::open(&file).unwrap());
    let other = Replay { policy: Some("wasm:other"), ..Replay::default() };
    let other = other.run(&Loader::new(LIMITS, None).unwrap(), "wasm:new", &guest.module(), record);
    assert!(matches!(other, Err(ReplayError::Empty(_))));
}
