//! `GET /metrics`.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::{TestApp, TestWorker};

/// The samples by name and labels; every line is one, or a comment of a known kind.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            assert!(["TYPE ", "HELP ", "UNIT ", "EOF"].iter().any(|kind| comment.starts_with(kind)), "{line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let name = series.split('{').next().unwrap();
        assert!(
            name.starts_with("andera_lb_")
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
            "{line}"
        );
        assert!(series == name || series.ends_with('}'), "{line}");
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {series}");
    }
    assert!(text.ends_with("# EOF\n"));
    samples
}

#[tokio::test]
async fn metrics_are_prometheus_text_and_count_tasks() {
    let worker = TestWorker::start(&["--slots", "3"]).await;
    let app = TestApp::start(&[&worker]).await;
    let answer = app.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let before = parse(answer.text());
    assert_eq!(app.submit(&TestApp::call("hello", &json!({}))).await.status, 200);
    assert_eq!(app.submit(&TestApp::call("fail", &json!({ "status": 422 }))).await.status, 422);
    let after = parse(app.get("/metrics").await.text());

    let gained = |series: &str| after[series] - before.get(series).copied().unwrap_or_default();
    let close = |figure: f64, expected: f64| (figure - expected).abs() < 1e-9;
    for (series, expected) in [
        (r#"andera_lb_tasks_submitted_total{mode="sync"}"#, 2.0),
        (r#"andera_lb_tasks_finished_total{state="completed",code=""}"#, 1.0),
        (r#"andera_lb_tasks_finished_total{state="failed",code="rejected_by_worker"}"#, 1.0),
        (r#"andera_lb_http_responses_total{route="/task",status_class="2xx"}"#, 1.0),
        (r#"andera_lb_http_responses_total{route="/task",status_class="4xx"}"#, 1.0),
    ] {
        assert!(close(gained(series), expected), "{series} grew by {}", gained(series));
    }
    for (series, expected) in [(r#"andera_lb_workers{status="ready"}"#, 1.0), (r#"andera_lb_slots{kind="limit"}"#, 3.0)]
    {
        assert!(close(after[series], expected), "{series} is {}", after[series]);
    }
}

#[tokio::test]
async fn a_group_of_any_name_makes_one_well_formed_line() {
    let app = TestApp::start(&[]).await;
    let group = "q\"u\\o\nte} 7";
    let task = json!({ "group": group, "contract": 1, "function": "f", "mode": "async" });
    assert_eq!(app.submit(&task).await.status, 202);
    let samples = parse(app.get("/metrics").await.text());
    let queued: Vec<&String> = samples.keys().filter(|series| series.starts_with("andera_lb_lane_queued{")).collect();
    assert_eq!(queued, [r#"andera_lb_lane_queued{group="q\"u\\o\nte} 7",contract="1"}"#]);
}
