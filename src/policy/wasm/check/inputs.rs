//! What may come one day.

use std::sync::Arc;

use crate::policy::wasm::golden;
use crate::policy::wasm::submission::OwnedSubmission;
use crate::policy::{
    Candidates, Directory, FunctionEntry, LaneEntry, Outcome, RankContext, SubmissionView, WorkerEntry,
};
use crate::task::{AttemptOutcome, Candidate, Contract, LaneKey, Mode, Priority};

/// A moment, in milliseconds since the Unix epoch.
pub(super) const NOW_MS: u64 = 1_750_000_000_000;
/// Workers of a decision.
const SIZES: [u32; 5] = [1, 8, 64, 1_000, 10_000];
/// Outcomes told at once.
const OUTCOMES: u32 = 256;
/// Texts that break what does not expect them.
const ODD: [&str; 6] =
    ["", " ", "\0\n\r\t\u{1b}[31m", "../../etc/passwd", "{\"a\":[1,\"}", "\u{202e}é\u{1f980}\u{10ffff}"];
/// Bytes of a long text.
const LONG: usize = 64 << 10;

fn of(size: u32) -> String {
    if size == 1 { "1 candidate".to_owned() } else { format!("{size} candidates") }
}

/// Decisions, each with its name.
pub(super) fn decisions() -> Vec<(String, RankContext, Candidates)> {
    let usual = golden::context(7);
    let mut all: Vec<_> = SIZES.iter().map(|&size| (of(size), usual.clone(), golden::fleet(size))).collect();
    let floats = [
        ("all zero", 0.0),
        ("negative", -1.0),
        ("NaN", f32::NAN),
        ("infinity", f32::INFINITY),
        ("negative infinity", f32::NEG_INFINITY),
        ("the largest", f32::MAX),
        ("the smallest above zero", f32::from_bits(1)),
    ];
    for (name, float) in floats {
        for size in [1, 8, 1_000] {
            let fleet = (0..size).map(|worker| signals(worker, float, 0)).collect();
            all.push((format!("{}, signals {name}", of(size)), usual.clone(), fleet));
        }
    }
    let fleet = (0..8).map(|_| signals(u32::MAX, f32::MAX, u32::MAX)).collect();
    all.push(("8 candidates, whole numbers at 4294967295 and the same id".to_owned(), usual.clone(), fleet));
    let mixed = [0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 0.5];
    let fleet = (0..64).map(|worker| signals(worker, mixed[worker as usize % mixed.len()], worker << 26)).collect();
    all.push(("64 candidates, signals of all kinds".to_owned(), usual.clone(), fleet));

    let contexts = [
        ("the last candidate, all others tried", RankContext { tried: u32::MAX, ..usual.clone() }, 1),
        ("everything about the task zero", zero(), 8),
        ("everything about the task at its largest, ids unknown", largest(), 8),
    ];
    all.extend(contexts.map(|(name, context, size)| (name.to_owned(), context, golden::fleet(size))));
    all
}

/// Directories, each with its name.
pub(super) fn directories() -> Vec<(&'static str, Directory)> {
    let many = |count: u32| Directory {
        workers: (0..count).map(|id| worker(id, &format!("http://worker-{id}:3000"), "zone", "a")).collect(),
        lanes: Contract::new(1.0).map(|contract| lane(1, "default", contract)).into_iter().collect(),
        functions: (0..count / 10).map(|id| function(id, &format!("function-{id}"))).collect(),
    };
    let odd = Directory {
        workers: (0..).zip(ODD).map(|(id, text)| worker(id, text, text, text)).collect(),
        lanes: (0..).zip(ODD).filter_map(|(id, text)| Some(lane(id, text, Contract::new(-1e300)?))).collect(),
        functions: (0..).zip(ODD).map(|(id, text)| function(id, text)).collect(),
    };
    let long = "x".repeat(LONG);
    let long = Directory {
        workers: vec![worker(u32::MAX, &long, &long, &long)],
        lanes: Contract::new(f64::MAX).map(|contract| lane(u32::MAX, &long, contract)).into_iter().collect(),
        functions: vec![function(u32::MAX, &long)],
    };
    vec![
        ("nothing there", Directory::default()),
        ("1 worker", many(1)),
        ("10,000 workers", many(10_000)),
        ("odd texts", odd),
        ("texts of 64 KiB", long),
    ]
}

/// Submissions, each with its name.
pub(super) fn submissions() -> Vec<(String, OwnedSubmission)> {
    let mut all = Vec::new();
    let mut add = |name: String, group: &str, number: f64, change: &dyn Fn(SubmissionView<'_>) -> OwnedSubmission| {
        let Some(contract) = Contract::new(number) else { return };
        let lane = LaneKey::new(group, contract);
        all.push((name, change(golden::submission(&lane))));
    };
    add("a usual submission".to_owned(), "default", 1.0, &|view| OwnedSubmission::of(&view));
    add("neither key nor tenant".to_owned(), "default", 1.0, &|view| {
        OwnedSubmission::of(&SubmissionView { key: None, tenant: None, ..view })
    });
    let long = "x".repeat(LONG);
    let texts = ODD.iter().map(|text| (format!("all texts {text:?}"), *text));
    for (name, text) in texts.chain([("all texts of 64 KiB".to_owned(), long.as_str())]) {
        add(name, text, -1e300, &|view| {
            OwnedSubmission::of(&SubmissionView { function: text, key: Some(text), tenant: Some(text), ..view })
        });
    }
    add("all numbers zero".to_owned(), "default", 0.0, &|view| {
        OwnedSubmission::of(&SubmissionView { priority: None, body_bytes: 0, now_ms: 0, seed: 0, ..view })
    });
    add("all numbers at their largest".to_owned(), "default", f64::MAX, &|view| {
        let (body_bytes, now_ms, seed) = (u64::MAX, u64::MAX, u64::MAX);
        let priority = Priority::new(Priority::MAX);
        OwnedSubmission::of(&SubmissionView { priority, mode: Mode::Async, body_bytes, now_ms, seed, ..view })
    });
    all
}

/// Outcomes, each list with its name.
pub(super) fn outcomes() -> Vec<(&'static str, Vec<Outcome>)> {
    let endings = [
        AttemptOutcome::Completed,
        AttemptOutcome::Failed,
        AttemptOutcome::Disconnected,
        AttemptOutcome::TimedOut,
        AttemptOutcome::Cancelled,
        AttemptOutcome::Interrupted,
    ];
    let usual = golden::outcome();
    let each = |worker: u32| Outcome { worker, ending: endings[worker as usize % endings.len()], ..usual };
    let latencies = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, -0.0, f32::MAX];
    let odd = |latency_ms| Outcome {
        worker: u32::MAX,
        lane: u32::MAX,
        function: u32::MAX,
        attempt: u32::MAX,
        key_hash: u64::MAX,
        tenant_hash: u64::MAX,
        latency_ms,
        status: Some(u16::MAX),
        ended_ms: u64::MAX,
        ..usual
    };
    let early = Outcome { latency_ms: 0.0, status: None, ended_ms: 0, attempt: 0, ..usual };
    vec![
        ("1 outcome", vec![usual]),
        ("256 outcomes of 256 workers", (0..OUTCOMES).map(each).collect()),
        ("256 outcomes of one worker", vec![usual; OUTCOMES as usize]),
        ("unknown ids, numbers at their largest, latencies that are none", latencies.map(odd).to_vec()),
        ("all numbers zero", vec![early]),
    ]
}

/// The context of one of many decisions about the same few keys.
pub(super) fn context_of(number: u64) -> RankContext {
    RankContext { key_hash: number % 64, tenant_hash: number % 64, now_ms: NOW_MS + number, ..golden::context(number) }
}

/// One of many outcomes of the same few workers.
pub(super) fn outcome_of(number: u64) -> Outcome {
    let worker = u32::try_from(number % 16).unwrap_or(0);
    Outcome { worker, key_hash: number % 64, tenant_hash: number % 64, ended_ms: NOW_MS + number, ..golden::outcome() }
}

fn signals(worker: u32, float: f32, whole: u32) -> Candidate {
    Candidate {
        worker,
        slots: whole,
        used: whole,
        in_flight: whole,
        queue: whole,
        cpu: float,
        memory: float,
        report_age_ms: whole,
        latency_ms: float,
        failure_rate: float,
        weight: float,
    }
}

fn zero() -> RankContext {
    RankContext {
        lane: 0,
        function: 0,
        priority: 0,
        attempt: 0,
        mode: Mode::Sync,
        age_ms: 0,
        body_bytes: 0,
        key_hash: 0,
        tenant_hash: 0,
        now_ms: 0,
        seed: 0,
        tried: 0,
    }
}

fn largest() -> RankContext {
    RankContext {
        lane: u32::MAX,
        function: u32::MAX,
        priority: Priority::MAX,
        attempt: u32::MAX,
        mode: Mode::Async,
        age_ms: u64::MAX,
        body_bytes: u64::MAX,
        key_hash: u64::MAX,
        tenant_hash: u64::MAX,
        now_ms: u64::MAX,
        seed: u64::MAX,
        tried: u32::MAX,
    }
}

fn worker(id: u32, url: &str, tag: &str, value: &str) -> WorkerEntry {
    WorkerEntry { id, url: Arc::from(url), tags: vec![(tag.to_owned(), value.to_owned())] }
}

fn lane(id: u32, group: &str, contract: Contract) -> LaneEntry {
    LaneEntry { id, group: Arc::from(group), contract }
}

fn function(id: u32, name: &str) -> FunctionEntry {
    FunctionEntry { id, name: name.to_owned() }
}
