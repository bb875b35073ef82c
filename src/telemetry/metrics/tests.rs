//! What is counted, as it is shown.

use std::collections::HashSet;

use super::*;
use crate::task::{Contract, LaneKey};

fn lane(group: &str, queued: u64, running: u64) -> LaneCounts {
    LaneCounts { lane: LaneKey::new(group, Contract::new(1.0).unwrap()), queued, running }
}

/// The value of a series, `None` if it is not shown.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn rendered(count: impl FnOnce(&Metrics)) -> String {
    let metrics = Metrics::new();
    count(&metrics);
    metrics.render(&Snapshot::default())
}

#[test]
fn tasks_are_counted_by_mode_state_and_code() {
    let text = rendered(|metrics| {
        metrics.submitted(Mode::Sync);
        metrics.clone().submitted(Mode::Sync);
        metrics.submitted(Mode::Async);
        let second = Duration::from_secs(1);
        metrics.finished(TaskState::Completed, None, Mode::Sync, second);
        metrics.finished(TaskState::Failed, Some(ErrorCode::Timeout), Mode::Sync, 3 * second);
        metrics.finished(TaskState::Failed, Some(ErrorCode::Timeout), Mode::Async, second);
        metrics.finished(TaskState::Cancelled, Some(ErrorCode::ClientGone), Mode::Async, second);
        metrics.delivered_first(Duration::from_millis(20));
    });
    assert_eq!(value(&text, r#"andera_lb_tasks_submitted_total{mode="sync"}"#), Some(2.0));
    assert_eq!(value(&text, r#"andera_lb_tasks_submitted_total{mode="async"}"#), Some(1.0));
    assert_eq!(value(&text, r#"andera_lb_tasks_submitted_total{mode="stream"}"#), Some(0.0));
    assert_eq!(value(&text, r#"andera_lb_tasks_finished_total{state="completed",code=""}"#), Some(1.0));
    assert_eq!(value(&text, r#"andera_lb_tasks_finished_total{state="failed",code="timeout"}"#), Some(2.0));
    assert_eq!(value(&text, r#"andera_lb_tasks_finished_total{state="cancelled",code="client_gone"}"#), Some(1.0));
    assert_eq!(value(&text, r#"andera_lb_task_duration_seconds_sum{mode="sync"}"#), Some(4.0));
    assert_eq!(value(&text, r#"andera_lb_task_duration_seconds_count{mode="async"}"#), Some(2.0));
    assert_eq!(value(&text, r#"andera_lb_task_wait_seconds_bucket{le="0.025"}"#), Some(1.0));
    assert_eq!(value(&text, r#"andera_lb_task_wait_seconds_bucket{le="0.01"}"#), Some(0.0));
}

#[test]
fn every_ending_has_its_own_series() {
    let endings = || {
        let codes = || [None].into_iter().chain(ErrorCode::ALL.iter().copied().map(Some));
        TaskState::ALL.into_iter().flat_map(move |state| codes().map(move |code| (state, code)))
    };
    let text = rendered(|metrics| {
        endings().for_each(|(state, code)| metrics.finished(state, code, Mode::Sync, Duration::ZERO));
    });
    for (state, code) in endings() {
        let code = code.map_or("", ErrorCode::word);
        let series = format!("andera_lb_tasks_finished_total{{state=\"{}\",code=\"{code}\"}}", state.word());
        assert_eq!(value(&text, &series), Some(1.0), "{series}");
    }
}

#[test]
fn every_outcome_of_an_attempt_has_its_own_series_named_as_in_json() {
    let text = rendered(|metrics| OUTCOMES.into_iter().for_each(|outcome| metrics.attempt(outcome)));
    for outcome in OUTCOMES {
        let word = serde_json::to_value(outcome).unwrap();
        let series = format!("andera_lb_attempts_total{{outcome={word}}}");
        assert_eq!(value(&text, &series), Some(1.0), "{series}");
    }
}

#[test]
fn policies_and_routes_count_through_handles() {
    let text = rendered(|metrics| {
        let policy = metrics.policy("native:least-loaded");
        policy.decided(false);
        policy.decided(true);
        metrics.policy("native:least-loaded").decided(false);
        let route = metrics.route("/task");
        for status in [200, 202, 404, 503, 99, 600] {
            route.answered(status);
        }
        metrics.route("/task").answered(299);
    });
    assert_eq!(value(&text, r#"andera_lb_policy_decisions_total{policy="native:least-loaded"}"#), Some(3.0));
    assert_eq!(value(&text, "andera_lb_policy_waits_total"), Some(1.0));
    let answers =
        |class| value(&text, &format!(r#"andera_lb_http_responses_total{{route="/task",status_class="{class}"}}"#));
    assert_eq!(answers("2xx"), Some(3.0));
    assert_eq!(answers("4xx"), Some(1.0));
    assert_eq!(answers("5xx"), Some(1.0));
    assert_eq!(answers("other"), Some(2.0));
    assert_eq!(answers("3xx"), None);
}

#[test]
fn single_events_are_counted() {
    let text = rendered(|metrics| {
        metrics.claim_returned();
        metrics.interrupted();
        metrics.lease_lost();
        metrics.discovery_failed();
        metrics.heartbeat_lost();
    });
    for name in ["claims_returned", "interruptions", "leases_lost", "discovery_failures", "heartbeats_lost"] {
        assert_eq!(value(&text, &format!("andera_lb_{name}_total")), Some(1.0), "{name}");
    }
    assert_eq!(value(&text, "andera_lb_policy_waits_total"), Some(0.0));
}

#[test]
fn gauges_show_the_snapshot_and_nothing_older() {
    let metrics = Metrics::new();
    let snapshot = Snapshot {
        workers: vec![WorkerCounts { status: "ready", count: 3 }, WorkerCounts { status: "offline", count: 0 }],
        slots: SlotCounts { limit: 30, used: 4, free: 26 },
        lanes: vec![lane("default", 5, 4), lane("quo\"te", 1, 0)],
    };
    let text = metrics.render(&snapshot);
    assert_eq!(value(&text, r#"andera_lb_workers{status="ready"}"#), Some(3.0));
    assert_eq!(value(&text, r#"andera_lb_workers{status="offline"}"#), Some(0.0));
    assert_eq!(value(&text, r#"andera_lb_slots{kind="limit"}"#), Some(30.0));
    assert_eq!(value(&text, r#"andera_lb_slots{kind="used"}"#), Some(4.0));
    assert_eq!(value(&text, r#"andera_lb_slots{kind="free"}"#), Some(26.0));
    assert_eq!(value(&text, r#"andera_lb_lane_queued{group="default",contract="1"}"#), Some(5.0));
    assert_eq!(value(&text, r#"andera_lb_lane_running{group="default",contract="1"}"#), Some(4.0));
    assert_eq!(value(&text, r#"andera_lb_lane_queued{group="quo\"te",contract="1"}"#), Some(1.0));

    let later = metrics.render(&Snapshot { lanes: vec![lane("new", 1, 0)], ..Snapshot::default() });
    assert!(!later.contains("group=\"default\""));
    assert!(!later.contains("status=\"ready\""));
}

#[test]
fn a_flood_of_lanes_is_shown_as_a_thousand_and_the_rest() {
    let lanes = (0..1500).map(|n| lane(&format!("g{n}"), 2, 1)).collect();
    let text = Metrics::new().render(&Snapshot { lanes, ..Snapshot::default() });
    assert_eq!(text.lines().filter(|line| line.starts_with("andera_lb_lane_queued{")).count(), 1001);
    assert_eq!(value(&text, r#"andera_lb_lane_queued{group="(others)",contract=""}"#), Some(1000.0));
    assert_eq!(value(&text, r#"andera_lb_lane_running{group="(others)",contract=""}"#), Some(500.0));
}

#[test]
fn the_text_is_one_document_with_unique_series() {
    let text = rendered(|metrics| metrics.submitted(Mode::Sync));
    assert_eq!(value(&text, &format!(r#"andera_lb_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"))), Some(1.0));
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), 1);
    let mut series = HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("andera_lb_"), "{line}");
        assert!(series.insert(line.rsplit_once(' ').unwrap().0), "{line}");
    }
}
