//! The host with good guests, written in WebAssembly text.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::instance::Instance;
use super::{CheckedPolicy, Loader, PolicyLimits, Setup};
use crate::policy::conformance::{context, policy_conformance, rank};
use crate::policy::{Candidates, Policy, PolicyEngine, RankContext, Ranking, native};
use crate::task::{Candidate, Contract, LaneKey};

mod bench;
mod check;
mod engine;
#[path = "../../../tests/guests/evil.rs"]
#[expect(unreachable_pub, reason = "shared with the integration tests")]
mod evil;
#[path = "../../../tests/guests/guest.rs"]
#[expect(unreachable_pub, reason = "shared with the integration tests")]
mod guest;
mod hostile;
mod interface;
mod recording;

use guest::Guest;

/// Nothing here is about time: the machine may be busy.
const LIMITS: PolicyLimits =
    PolicyLimits { deadline: Duration::from_secs(20), load_deadline: Duration::from_mins(1), memory: 64 << 20 };

/// An instance of a guest, as a policy.
struct Called(Mutex<Instance>);

impl Policy for Called {
    fn name(&self) -> &'static str {
        "wasm:called"
    }

    fn rank(&self, context: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>) {
        self.0.lock().rank(context, candidates, rows, LIMITS.deadline).unwrap();
    }
}

fn checked(guest: &[u8]) -> CheckedPolicy {
    Loader::new(LIMITS, None).unwrap().load("wasm:test", guest, Setup::default()).unwrap()
}

fn engine_with(policy: CheckedPolicy) -> PolicyEngine {
    let engine = PolicyEngine::new(native("least-loaded").unwrap());
    engine.activate(policy).unwrap();
    engine
}

/// The ways in which the calls of a policy are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Inline,
    OwnThread,
    Stateful,
}

const WAYS: [Way; 3] = [Way::Inline, Way::OwnThread, Way::Stateful];

/// An engine with that policy in force, whose calls are made in that way whatever its speed here.
async fn engine_in(way: Way, mut policy: CheckedPolicy) -> PolicyEngine {
    assert_eq!(policy.is_stateful(), way == Way::Stateful);
    policy.swift = way == Way::Inline;
    let engine = engine_with(policy);
    if way == Way::Inline {
        until("there are instances for all threads", || engine.status().inline_instances > 0).await;
    }
    engine
}

fn lane() -> LaneKey {
    LaneKey::new("g", Contract::new(1.0).unwrap())
}

/// A decision among three workers: there is always one.
async fn decide(engine: &PolicyEngine, function: u32) -> Ranking {
    let worker = |worker| Candidate { worker, slots: 4, used: worker, weight: 1.0, ..Candidate::default() };
    let candidates: Candidates = (0..3).map(worker).collect();
    let ranking = engine.rank(&lane(), &RankContext { function, ..context(7) }, &candidates).await;
    assert!(!ranking.rows.is_empty() && ranking.rows.iter().all(|row| *row < 3), "{ranking:?}");
    ranking
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waited).await.unwrap_or_else(|_| panic!("not yet: {what}"));
}

fn least_loaded() -> Arc<dyn Policy> {
    use std::sync::OnceLock;
    static CODE: OnceLock<(Loader, Arc<super::component::PolicyCode>)> = OnceLock::new();
    let (_, code) = CODE.get_or_init(|| {
        let loader = Loader::new(LIMITS, None).unwrap();
        let checked = loader.load("wasm:test", &Guest::least_loaded().module(), Setup::default()).unwrap();
        (loader, checked.code)
    });
    let log = super::guest_log::GuestLog::new(&Arc::from("wasm:test"));
    Arc::new(Called(Mutex::new(Instance::new(code, LIMITS, &log).unwrap())))
}

policy_conformance!(a_guest, || least_loaded());

#[test]
fn every_signal_arrives_in_its_column() {
    // Names the row whose worker has the number that the context's `function` asks for; the column comes in `attempt`.
    let guest = Guest::ranker(
        "(local $row i32)
         (if (i32.lt_u (i32.load offset=12 (local.get $args)) (i32.const 80))
           (then (return (call $rows (i32.const 0) (i32.const 0)))))
         (loop $next
           (if (i32.eq (call $column (local.get $args) (i32.load offset=12 (local.get $args)) (local.get $row))
                       (i32.load offset=4 (local.get $args)))
             (then (return (call $rows (local.get $row) (i32.const 1)))))
           (local.set $row (i32.add (local.get $row) (i32.const 1)))
           (br_if $next (i32.lt_u (local.get $row) (call $candidates (local.get $args)))))
         (call $rows (i32.const 0) (i32.const 0))",
    );
    let policy = Called(Mutex::new(checked(&guest.component()).instance));
    let marked = Candidate {
        worker: 1001,
        slots: 1002,
        used: 1003,
        in_flight: 1004,
        queue: 1005,
        cpu: 1006.5,
        memory: 1007.5,
        report_age_ms: 1008,
        latency_ms: 1009.5,
        failure_rate: 1010.5,
        weight: 1011.5,
    };
    let candidates: Candidates = [Candidate::default(), marked, Candidate::default()].into_iter().collect();
    let float = |number: f32| number.to_bits();
    let columns =
        [1001, 1002, 1003, 1004, 1005, float(1006.5), float(1007.5), 1008, float(1009.5), float(1010.5), float(1011.5)];
    for (value, at) in columns.into_iter().zip((80..).step_by(8)) {
        let asked = RankContext { function: value, attempt: at, ..context(1) };
        assert_eq!(rank(&policy, &asked, &candidates), [1], "the column at {at}");
    }
}

#[test]
fn a_component_and_its_plain_core_module_are_the_same_policy() {
    let guest = Guest::least_loaded().and_setup(false, "(call $fine)", "");
    for file in [guest.module(), guest.component()] {
        let policy = checked(&file);
        assert_eq!((policy.info().name.as_str(), policy.info().version.as_str()), ("guest", "1.2"));
        assert_eq!(policy.exports(), ["ranking", "setup"]);
        assert!(!policy.is_stateful());
    }
}

#[test]
fn whoever_uses_the_same_file_shares_its_code() {
    let loader = Loader::new(LIMITS, None).unwrap();
    let load = |guest: &Guest| loader.load("wasm:test", &guest.module(), Setup::default()).unwrap().code;
    let code = load(&Guest::least_loaded());
    assert!(Arc::ptr_eq(&code, &load(&Guest::least_loaded())));
    assert!(!Arc::ptr_eq(&code, &load(&Guest::ranker(guest::FIRST))));
}

#[test]
fn a_policy_that_hears_of_outcomes_or_says_so_is_stateful() {
    assert!(checked(&Guest::least_loaded().and_feedback("").module()).is_stateful());
    assert!(checked(&Guest::least_loaded().and_setup(true, "(call $fine)", "").module()).is_stateful());
}
