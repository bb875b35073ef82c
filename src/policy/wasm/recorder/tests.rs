//! What is written, and what is not.

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::line::Line;
use super::*;
use crate::policy::wasm::golden;
use crate::policy::{Failure, FunctionEntry, LaneEntry, WorkerEntry};
use crate::task::{Candidate, Contract};

fn recording(recorder: &Arc<Recorder>, stateful: bool) -> Recording {
    Recording { recorder: Arc::clone(recorder), policy: Arc::from("wasm:test"), sha256: Arc::from("ab"), stateful }
}

/// A recorder whose writer has not begun yet and has room for so many messages.
fn held(place: &TempDir, room: usize) -> (Arc<Recorder>, Writer, Receiver<Message>) {
    let (sender, inbox) = mpsc::sync_channel(room);
    let link = Arc::new(Link {
        sender,
        instances: AtomicU64::new(0),
        waiting: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        lost: AtomicU64::new(0),
    });
    let writer = Writer::new(open(&place.path().join("record")).unwrap(), 1 << 20, Arc::clone(&link)).unwrap();
    (Arc::new(Recorder { link, thread: Mutex::default() }), writer, inbox)
}

fn lines(place: &TempDir) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path().join("record")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn rank(instance: &mut InstanceRecorder, candidates: u32) {
    instance.ranked(&golden::context(1), &golden::fleet(candidates), &Ok(()), &[0]);
}

/// Each line in a word or two.
fn outline(lines: &[Value]) -> Vec<String> {
    let show = |line: &Value| {
        let (kind, what) = line.as_object().unwrap().iter().next().unwrap();
        match kind.as_str() {
            "call" => format!("call {}.{}", what["instance"], what["number"]),
            "lost" => format!("lost {}.{} {}", what["instance"], what["from"], what["calls"]),
            "begin" | "end" => format!("{kind} {}", what["instance"]),
            kind => kind.to_owned(),
        }
    };
    lines.iter().map(show).collect()
}

#[test]
fn every_line_is_as_documented_and_is_read_again() {
    let place = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(&place.path().join("record"), 1 << 20).unwrap();
    let mut instance = recording(&recorder, true).begin();
    instance.configured("{\"a\":1}", &Ok(()));
    let contract = Contract::new(0.1 + 0.2).unwrap();
    let directory = Directory {
        workers: vec![WorkerEntry {
            id: 1,
            url: Arc::from("http://w"),
            tags: vec![("zone".to_owned(), "a".to_owned())],
        }],
        lanes: vec![LaneEntry { id: 2, group: Arc::from("g"), contract }],
        functions: vec![FunctionEntry { id: 3, name: "f".to_owned() }],
    };
    instance.told(&directory, &Ok(()));
    let odd = Candidate { cpu: f32::NAN, memory: f32::INFINITY, weight: -0.0, latency_ms: 0.1, ..Candidate::default() };
    let context = RankContext { seed: u64::MAX, ..golden::context(1) };
    instance.ranked(&context, &[odd].into_iter().collect(), &Ok(()), &[0]);
    let lane = golden::lane().unwrap();
    let rejected =
        Admission::Rejected { reason: "no".to_owned(), retry_after: Some(std::time::Duration::from_millis(9)) };
    instance.prioritized(&golden::submission(&lane), &Ok(rejected));
    instance.observed(&[golden::outcome()], &Ok(()));
    let trap = Trouble { failure: Failure::Trap, detail: "unreachable".to_owned(), usable: false };
    instance.ranked(&golden::context(2), &golden::fleet(1), &Err(trap), &[]);
    drop(instance);
    recorder.close();

    let mut lines = lines(&place);
    assert!(lines[0]["record"]["began_ms"].as_i64().unwrap() > 1_700_000_000_000);
    lines[0]["record"]["began_ms"] = json!(0);
    insta::assert_json_snapshot!("the_lines_of_a_record", lines);
    let again = serde_json::from_value(lines[4].clone()).unwrap();
    let Line::Call(call) = again else { panic!("{again:?}") };
    let Ask::Rank { context: read, candidates } = call.ask else { panic!("{}", lines[4]) };
    assert_eq!(read, context);
    let bits = [&candidates.cpu, &candidates.memory, &candidates.weight, &candidates.latency_ms];
    assert_eq!(
        bits.map(|column| column[0].to_bits()),
        [odd.cpu, odd.memory, odd.weight, odd.latency_ms].map(f32::to_bits)
    );
    let again = serde_json::from_value(lines[3].clone()).unwrap();
    let Line::Call(call) = again else { panic!("{again:?}") };
    let Ask::Topology(read) = call.ask else { panic!("{}", lines[3]) };
    assert_eq!(read, directory);
}

#[test]
fn the_file_is_for_us_alone_and_an_older_record_is_kept_beside_it() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("record");
    for _ in 0..3 {
        Recorder::start(&file, 1 << 20).unwrap().close();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(outline(&lines(&place)), ["record", "close"]);
    }
    assert!(place.path().join("record.old").is_file());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
}

#[test]
fn a_file_that_is_no_record_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("letter");
    fs::write(&file, "dear all").unwrap();
    assert!(Recorder::start(&file, 1 << 20).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "dear all");
    assert!(Recorder::start(place.path(), 1 << 20).is_err());
    assert!(Recorder::start(&place.path().join("no/such"), 1 << 20).is_err());
}

#[test]
fn calls_that_find_no_room_are_marked_and_a_policy_without_state_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let (recorder, writer, inbox) = held(&place, 3);
    let mut instance = recording(&recorder, false).begin();
    (0..5).for_each(|_| rank(&mut instance, 1));
    let running = thread::spawn(move || writer.run(&inbox));
    while recorder.link.waiting.load(Ordering::Relaxed) > 0 {
        thread::yield_now();
    }
    rank(&mut instance, 1);
    drop(instance);
    recorder.link.sender.send(Message::Stop).unwrap();
    running.join().unwrap();
    let lines = lines(&place);
    assert_eq!(
        outline(&lines),
        ["record", "begin 1", "call 1.1", "call 1.2", "lost 1.3 3", "call 1.6", "end 1", "close"]
    );
    assert_eq!(lines[7]["close"]["lost"], 3);
}

#[test]
fn of_a_policy_with_state_nothing_is_recorded_after_a_loss() {
    let place = tempfile::tempdir().unwrap();
    let (recorder, writer, inbox) = held(&place, 3);
    let mut instance = recording(&recorder, true).begin();
    (0..5).for_each(|_| rank(&mut instance, 1));
    let running = thread::spawn(move || writer.run(&inbox));
    while recorder.link.waiting.load(Ordering::Relaxed) > 0 {
        thread::yield_now();
    }
    rank(&mut instance, 1);
    // It outlives the record.
    recorder.link.sender.send(Message::Stop).unwrap();
    running.join().unwrap();
    assert_eq!(outline(&lines(&place)), ["record", "begin 1", "call 1.1", "call 1.2", "lost 1.3 4", "close"]);
}

#[test]
fn calls_that_would_take_too_much_memory_are_lost() {
    let place = tempfile::tempdir().unwrap();
    let (recorder, writer, inbox) = held(&place, 1_000);
    let mut instance = recording(&recorder, false).begin();
    (0..200).for_each(|_| rank(&mut instance, 10_000));
    let lost = recorder.link.lost.load(Ordering::Relaxed);
    assert!((100..150).contains(&lost), "{lost}");
    drop((writer, inbox));
}

#[test]
fn an_instance_whose_beginning_found_no_room_is_marked() {
    let place = tempfile::tempdir().unwrap();
    let (recorder, writer, inbox) = held(&place, 2);
    let (mut first, second) = (recording(&recorder, false).begin(), recording(&recorder, false).begin());
    let mut third = recording(&recorder, false).begin();
    let running = thread::spawn(move || writer.run(&inbox));
    rank(&mut third, 1);
    while lines(&place).len() < 3 {
        thread::yield_now();
    }
    rank(&mut first, 1);
    while lines(&place).len() < 4 {
        thread::yield_now();
    }
    drop(third);
    while lines(&place).len() < 6 {
        thread::yield_now();
    }
    recorder.link.sender.send(Message::Stop).unwrap();
    running.join().unwrap();
    assert_eq!(outline(&lines(&place)), ["record", "begin 1", "begin 2", "call 1.1", "lost 3.1 1", "end 3", "close"]);
    drop((first, second));
}

#[test]
fn the_file_stays_within_its_limit_and_says_that_it_is_full() {
    let place = tempfile::tempdir().unwrap();
    let limit = 64 << 10;
    let recorder = Recorder::start(&place.path().join("record"), limit).unwrap();
    let mut instances = [false, true].map(|stateful| recording(&recorder, stateful).begin());
    while !recorder.link.is_over.load(Ordering::Relaxed) {
        for instance in &mut instances {
            rank(instance, 8);
        }
        thread::yield_now();
    }
    for instance in &mut instances {
        rank(instance, 8);
    }
    drop(instances);
    recorder.close();
    assert!(fs::metadata(place.path().join("record")).unwrap().len() <= limit);
    let outline = outline(&lines(&place));
    let calls = |instance: &str| outline.iter().filter(|line| line.starts_with(&format!("call {instance}."))).count();
    let expected = ["1", "2"].map(|instance| format!("lost {instance}.{} null", calls(instance) + 1));
    assert_eq!(outline[outline.len() - 3..], [&expected[0], &expected[1], "full"].map(ToOwned::to_owned));
    assert!(calls("1") > 20 && calls("2") > 20, "{outline:?}");
}
