//! The samples that are not in Rust, as the balancer has them.

use std::path::PathBuf;

use andera_lb::policy::{
    Admission, Candidate, Candidates, Directory, LoadError, PolicyEngine, RankContext, SubmissionView, WorkerEntry,
    native,
};
use andera_lb::task::{Contract, LaneKey, Mode, Priority};

use super::toolchain::{built, fetch_tools, run};
use super::{load, repository};

pub(super) async fn zone_first() -> PathBuf {
    let sources = ["policies/zone-first", "policies/package-lock.json"].map(repository).to_vec();
    built(
        "zone-first",
        sources,
        || (),
        |file| {
            fetch_tools("js");
            run(&repository("policies/zone-first"), &["node", "build.mjs", file.to_str().unwrap()]);
        },
    )
    .await
}

pub(super) async fn business_hours() -> PathBuf {
    let sources = ["policies/business-hours", "policies/requirements.txt"].map(repository).to_vec();
    built(
        "business-hours",
        sources,
        || (),
        |file| {
            fetch_tools("python");
            let out = format!("OUT={}", file.display());
            run(&repository("policies/business-hours"), &["make", "--always-make", "VENV=../.venv", &out]);
        },
    )
    .await
}

/// Workers with these numbers, in these zones.
fn workers(zones: &[(u32, &str)]) -> Directory {
    let entry = |&(id, zone): &(u32, &str)| WorkerEntry {
        id,
        url: format!("http://worker-{id}").into(),
        tags: vec![("gpu".to_owned(), String::new()), ("zone".to_owned(), zone.to_owned())],
    };
    Directory { workers: zones.iter().map(entry).collect(), ..Directory::default() }
}

/// The numbers of workers with eight slots each, of which so many are in use, as the policy ranks them.
async fn ranked(engine: &PolicyEngine, used: &[(u32, u32)]) -> Vec<u32> {
    let candidate =
        |&(worker, used): &(u32, u32)| Candidate { worker, slots: 8, used, weight: 1.0, ..Candidate::default() };
    let candidates: Candidates = used.iter().map(candidate).collect();
    let context = RankContext {
        lane: 1,
        function: 1,
        priority: 0,
        attempt: 1,
        mode: Mode::Sync,
        age_ms: 0,
        body_bytes: 100,
        key_hash: 0,
        tenant_hash: 0,
        now_ms: 1_750_000_000_000,
        seed: 1,
        tried: 0,
    };
    let lane = LaneKey::new("default", Contract::new(1.0).unwrap());
    let ranking = engine.rank(&lane, &context, &candidates).await;
    assert_eq!((ranking.policy.as_ref(), ranking.fallback), ("wasm:probe", None));
    ranking.rows.iter().map(|&row| used[row as usize].0).collect()
}

fn engine() -> PolicyEngine {
    PolicyEngine::new(native("least-loaded").unwrap())
}

#[tokio::test]
async fn zone_first_sends_tasks_to_its_zone_until_that_is_busy() {
    let config = r#"{"zone": "eu-1", "spill": 0.9}"#;
    let policy = load(&zone_first().await, config, workers(&[(3, "us-1"), (5, "eu-1"), (6, "eu-1")])).await.unwrap();
    assert_eq!(policy.exports(), ["ranking", "setup"]);
    assert!(!policy.is_stateful());
    let engine = engine();
    engine.tell(workers(&[(3, "us-1"), (5, "eu-1"), (6, "eu-1")]));
    engine.activate(policy).unwrap();
    assert_eq!(ranked(&engine, &[(3, 0), (5, 6), (6, 2)]).await, [6, 5, 3]);
    // 7 of 8 slots are below the bound.
    assert_eq!(ranked(&engine, &[(3, 0), (5, 7)]).await, [5, 3]);

    let engine = self::engine();
    let directory = || workers(&[(3, "us-1"), (5, "eu-1")]);
    engine.tell(directory());
    let config = r#"{"zone": "eu-1", "spill": 0.5}"#;
    engine.activate(load(&zone_first().await, config, directory()).await.unwrap()).unwrap();
    assert_eq!(ranked(&engine, &[(3, 0), (5, 3)]).await, [5, 3]);
    assert_eq!(ranked(&engine, &[(3, 0), (5, 4)]).await, [3, 5]);
    engine.close().await;
}

#[tokio::test]
async fn zone_first_says_what_is_wrong_with_its_configuration() {
    let error = load(&zone_first().await, r#"{"zones": ["eu-1"]}"#, Directory::default()).await.unwrap_err();
    assert!(matches!(&error, LoadError::Refused(why) if why.contains("there is no setting zones")), "{error}");
}

#[tokio::test]
async fn business_hours_change_the_priority_of_what_they_are_about() {
    let config =
        r#"{"utc_offset": "+01:00", "from": "08:00", "to": "18:00", "groups": ["batch"], "outside": {"set": 3}}"#;
    let policy = load(&business_hours().await, config, Directory::default()).await.unwrap();
    assert_eq!(policy.exports(), ["priority", "setup"]);
    let engine = engine();
    engine.activate(policy).unwrap();
    let hour = 3_600_000;
    // Monday, the 23rd of November 2026, 07:30 by UTC.
    let morning = 1_795_419_000_000;
    for (group, now_ms, expected) in [
        ("batch", morning, 50),
        ("batch", morning - hour, 3),
        ("batch", morning + 9 * hour, 50),
        ("batch", morning + 10 * hour, 3),
        // Saturday.
        ("batch", morning + 5 * 24 * hour, 3),
        ("other", morning - hour, 50),
    ] {
        let lane = LaneKey::new(group, Contract::new(1.0).unwrap());
        let submission = SubmissionView {
            lane: &lane,
            function: "train",
            priority: Priority::new(50),
            mode: Mode::Async,
            body_bytes: 100,
            key: None,
            tenant: None,
            now_ms,
            seed: 1,
        };
        let admission = engine.prioritize(&submission).await.unwrap();
        assert_eq!(admission, Admission::Accepted(Priority::new(expected)), "{group} at {now_ms}");
    }
    assert_eq!(engine.status().fallbacks, []);
    engine.close().await;
}

#[tokio::test]
async fn business_hours_say_what_is_wrong_with_their_configuration() {
    let error = load(&business_hours().await, r#"{"days": ["monday"]}"#, Directory::default()).await.unwrap_err();
    assert!(matches!(&error, LoadError::Refused(why) if why.contains("days has to be a list of mon")), "{error}");
}
